"""The scikit-learn engine."""
