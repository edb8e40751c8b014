{{ mlbridge.predict(ref('late_arrival_split'), ref('late_arrival_training')) }}
