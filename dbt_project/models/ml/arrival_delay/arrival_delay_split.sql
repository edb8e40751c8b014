{{ mlbridge.split(ref('arrival_delay_features')) }}
