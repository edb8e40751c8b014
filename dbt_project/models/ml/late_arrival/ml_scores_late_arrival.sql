{{ mlbridge.scores(ref('late_arrival_split'), ref('late_arrival_training'), ref('late_arrival_predictions')) }}
