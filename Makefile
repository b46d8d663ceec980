# make site        a control plane and two devices on this machine, with a sample workload
# make clean-site  removes them
# make site-kubernetes, make clean-site-kubernetes   the same with the control plane on a Kubernetes cluster
# make site-remote, make clean-site-remote   one with a data store of its own: an Edge API without a resource API
# make image       the container image of the control plane; REFRESH=1 includes Debian's security updates
# make shell HOST=till-1    a shell on a host of the local site
# make status      the table of the fleet
# make check       format, lint, types, docs, unit tests
# make test        everything, on a fresh machine; PARTS="check site" only those (see scripts/test.sh)
# make molecule    the Molecule scenarios of the collection; SCENARIO="default absent" only those, STEP=destroy only that
# make test-deep   tests that need repetition: many power cuts, long outages, a long fuzz, sanity on
#                  every ansible-core, Galaxy's importer; PARTS="fuzz" only that (see scripts/test_deep.sh)
# make screenshots the pictures of the documentation, from boots of the device ISO
# make bench       benchmarks
# make collection  the collection's artifact, from the current commit
# make wheel       the wheel that the roles install; COLLECTION=DIR puts it into a copy of the collection elsewhere
# make lock        update every version in the lock files

PYTHON ?= python3
SHELL := /bin/sh
export LC_ALL := C.UTF-8
# Some images set it; every program then compiles its imports at each start, which takes two thirds of its time.
unexport PYTHONDONTWRITEBYTECODE

PLAYBOOK := .venv-site/bin/ansible-playbook -i inventories/local

.PHONY: site clean-site site-kubernetes clean-site-kubernetes site-remote clean-site-remote image shell status check test test-deep molecule screenshots bench collection lock packages venv-site venv-dev venv-molecule wheel

site: packages wheel
	@$(PLAYBOOK) site.yml

clean-site: $(if $(wildcard .site/hosts),packages venv-site)
	@scripts/clean_site.sh

site-kubernetes: packages wheel
	@scripts/kubernetes_site.sh up

clean-site-kubernetes: $(if $(wildcard $(or $(FLOTTA_SITE),.site-kubernetes)),packages venv-site)
	@scripts/kubernetes_site.sh down

site-remote: packages wheel
	@scripts/remote_site.sh up

clean-site-remote: $(if $(wildcard $(or $(FLOTTA_SITE),.site-remote)),packages venv-site)
	@scripts/remote_site.sh down

image: packages wheel
	@scripts/image.sh

shell:
	@scripts/shell.sh "$(HOST)"

status:
	@scripts/shell.sh control-plane KUBECONFIG=/etc/flotta/kubeconfig/admin.kubeconfig /opt/flotta/current/bin/flotta status

check: venv-dev
	@scripts/check.sh

test:
	@scripts/test.sh $(PARTS)

test-deep:
	@scripts/test_deep.sh $(PARTS)

molecule: packages wheel venv-molecule
	@scripts/molecule.sh $(SCENARIO)

screenshots: venv-dev
	@scripts/screenshots.sh

bench: venv-dev
	@scripts/bench.sh

collection: venv-site
	@scripts/collection.sh

lock: venv-dev
	@scripts/lock.sh .venv-dev/bin/uv

packages:
	@scripts/packages.sh

venv-site:
	@scripts/venv.sh $(PYTHON) .venv-site requirements/site.txt

venv-dev:
	@scripts/venv.sh $(PYTHON) .venv-dev requirements/dev.txt

venv-molecule:
	@scripts/venv.sh $(PYTHON) .venv-molecule requirements/molecule.txt

wheel: venv-site
	@scripts/wheel.sh .venv-site/bin/python $(if $(COLLECTION),'$(COLLECTION)')
