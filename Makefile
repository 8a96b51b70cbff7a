# Reactive Notebook. `make` lists what there is; `make up` raises everything on
# this machine and prints the address to open.
#
# Go, Node.js, Python and make are taken as given; what else a machine lacks is
# put right by `stack setup`, which every target that needs it calls.

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help up down run plan docs lint test test-aws check bench stack

# All that Go builds here is built as it is for AWS: static, without this machine's
# paths. So it's that which is tested, and nothing is compiled twice.
export CGO_ENABLED := 0
export GOFLAGS := -trimpath -buildvcs=false $(GOFLAGS)

ENV ?= dev
# The operator's tool, compiled: a signal to make then reaches it directly.
STACK := .tools/stack

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

stack:
	@command -v go >/dev/null || { echo "Go is missing: install Go 1.26 or newer, https://go.dev/dl" >&2; exit 1; }
	@[ -x $(STACK) ] || echo "building the stack tool; a minute or two where nothing is compiled yet" >&2
	@go build -o $(STACK) ./service/cmd/stack

up: stack ## raise the whole stack on this machine; EDGE_ADDR=HOST:PORT, default localhost:8080
	@exec $(STACK) up dev --local

down: stack ## take down the stack that `make up` raised, or what a killed one has left
	@exec $(STACK) down dev --local

run: stack ## the service alone with page and API on http://127.0.0.1:8000, no AWS
	@$(STACK) setup go python page >/dev/null
	@go build -o .tools/notebook ./service/cmd/notebook
	@KERNEL_PYTHON=$${KERNEL_PYTHON:-$(CURDIR)/.venv/bin/python} exec .tools/notebook serve

plan: stack ## what `up` would make, on an emulated account: ENV=dev
	@exec $(STACK) plan $(ENV) --local

check: stack ## fast: format, vet, lint, unit tests
	@$(STACK) setup go terraform frontend python >/dev/null
	@echo "== gofmt"
	@files=$$(gofmt -l service frontend/embed.go $$(find test -name "*.go" -not -path "*/node_modules/*")); test -z "$$files" || { echo "not formatted: $$files" >&2; exit 1; }
	@echo "== go vet"
	@go vet ./service/... ./frontend ./test/...
	@echo "== actionlint"
	@go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
	@echo "== terraform fmt"
	@env -u TF_CLI_CONFIG_FILE "$$($(STACK) setup terraform | sed -n 's/^TERRAFORM=//p')" fmt -check -recursive
	@echo "== the modules' tables"
	@go run ./service/cmd/moduledocs -check modules/*/
	@echo "== eslint"
	@cd frontend && npm run --silent lint
	@echo "== vitest"
	@cd frontend && npm test --silent
	@echo "== go test, short"
	@KERNEL_PYTHON=$(CURDIR)/.venv/bin/python go test -short ./service/... ./frontend

docs: ## write the tables of inputs and outputs in the modules' READMEs
	@go run ./service/cmd/moduledocs modules/*/

lint: ## what takes a while to build: tflint over the Terraform
	@mkdir -p .tools && cd test/tools/tflint && go build -o $(CURDIR)/.tools/tflint github.com/terraform-linters/tflint
	@.tools/tflint --recursive --config $(CURDIR)/.tflint.hcl --minimum-failure-severity=notice

test: stack ## everything, from setup to a browser through the whole stack
	@./test/run.sh

test-aws: stack ## the infrastructure's tests on a real AWS account; costs money, asks for everything
	@exec ./test/infra/aws.sh

bench: stack ## speed and memory beside Jupyter and FastAPI, as a table; PARTS=kernels
	@exec ./test/bench/run.sh $(PARTS)
