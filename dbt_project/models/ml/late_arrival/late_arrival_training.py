import mlbridge


def model(dbt, session):
    return mlbridge.train(dbt, session, dbt.ref("late_arrival_split"), dbt.config.meta_get("mlbridge"))
