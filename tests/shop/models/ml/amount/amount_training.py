import mlbridge


def model(dbt, session):
    return mlbridge.train(dbt, session, dbt.ref("amount_split"), dbt.config.meta_get("mlbridge"))
