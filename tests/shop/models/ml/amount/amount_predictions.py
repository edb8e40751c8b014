import mlbridge


def model(dbt, session):
    return mlbridge.predict(dbt, session, dbt.ref("amount_split"), dbt.ref("amount_training"))
