{{ mlbridge.predict(ref('arrival_delay_split'), ref('arrival_delay_training')) }}
