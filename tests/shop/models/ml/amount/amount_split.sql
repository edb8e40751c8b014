{{ mlbridge.split(ref('amount_features')) }}
