{{ mlbridge.split(ref('late_arrival_features')) }}
