{{ mlbridge.training(ref('arrival_delay_split')) }}
