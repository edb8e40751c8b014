import mlbridge


def model(dbt, session):
    return mlbridge.predict(dbt, session, dbt.ref("late_arrival_split"), dbt.ref("late_arrival_training"))
