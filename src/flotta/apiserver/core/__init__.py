"""The core kinds that flotta needs, with the rules that are compiled into kube-apiserver."""
