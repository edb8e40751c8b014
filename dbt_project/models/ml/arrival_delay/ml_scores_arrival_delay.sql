{{ mlbridge.scores(ref('arrival_delay_split'), ref('arrival_delay_training'), ref('arrival_delay_predictions')) }}
