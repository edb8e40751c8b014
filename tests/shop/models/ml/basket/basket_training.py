import mlbridge
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier


def model(dbt, session):
    codes = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["favourite"]), remainder="passthrough")
    own = {"our_tree": make_pipeline(codes, DecisionTreeClassifier(max_depth=6, random_state=0))}
    return mlbridge.train(dbt, session, dbt.ref("basket_split"), dbt.config.meta_get("mlbridge"), own)
