import mlbridge


def model(dbt, session):
    return mlbridge.predict(dbt, session, dbt.ref("arrival_delay_split"), dbt.ref("arrival_delay_training"))
