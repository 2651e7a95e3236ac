"""What the manifests must be, asserted on what kustomize builds from them; no cluster is needed.

`rules` holds the rules, each a function from objects to the sentences of what breaks it; each is also fed something
that breaks it.
"""
