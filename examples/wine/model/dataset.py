"""Which of three growers a wine is from, by its chemical analysis: 178 wines, 13 measurements.

The wine recognition data of Forina et al. (1991), as scikit-learn carries it:
https://scikit-learn.org/stable/datasets/toy_dataset.html#wine-recognition-dataset
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.contract import Column

if TYPE_CHECKING:
    import pandas

NAME = "wine"
TASK = "classification"

FEATURES = (
    Column("alcohol", minimum=5, maximum=20),  # percent by volume
    Column("malic_acid", minimum=0, maximum=15),  # g/l, as all acids and minerals
    Column("ash", minimum=0, maximum=10),
    Column("alcalinity_of_ash", minimum=0, maximum=60),
    Column("magnesium", minimum=20, maximum=400, integer=True),  # mg/l
    Column("total_phenols", minimum=0, maximum=15),
    Column("flavanoids", minimum=0, maximum=15),
    Column("nonflavanoid_phenols", minimum=0, maximum=5),
    Column("proanthocyanins", minimum=0, maximum=15),
    Column("color_intensity", minimum=0, maximum=50),
    Column("hue", minimum=0, maximum=5),
    Column("od280_od315", minimum=0, maximum=10),  # optical density of the diluted wine, 280 nm over 315 nm
    Column("proline", minimum=50, maximum=5000, integer=True),  # mg/l
)

TARGET = Column("grower", categories=(0, 1, 2))


def sample() -> pandas.DataFrame:
    """Sample data: one row a wine, the feature columns, then the target."""
    from sklearn.datasets import load_wine

    features, target = load_wine(return_X_y=True, as_frame=True)
    return features.set_axis([column.name for column in FEATURES], axis=1).assign(**{TARGET.name: target})
