import mlbridge


def model(dbt, session):
    return mlbridge.predict(dbt, session, dbt.ref("basket_split"), dbt.ref("basket_training"))
