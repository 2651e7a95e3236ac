"""From a candidate to what serves: deciding, staging, trying, concluding, rolling out; and `champion` by hand."""
