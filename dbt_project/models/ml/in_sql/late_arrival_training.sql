{{ mlbridge.training(ref('late_arrival_split')) }}
