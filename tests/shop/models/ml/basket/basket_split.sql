{{ mlbridge.split(ref('basket_features')) }}
