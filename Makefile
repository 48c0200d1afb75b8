# metafed. Sources are found by wildcard; a new node is a folder and a name in NODES.
#
#   make            everything into build/bin          make check        unit and node tests (under a minute)
#   make check-fleet check-fault e2e                   tests of whole fleets
#   make reliability   10 000 scenarios, measured      make asan tsan fuzz lint bench cover soak: see README, "Working on it"
#   make BUILD=build/asan SAN=address,undefined ...    any target in another flavour; make UI=no: without the dashboard

CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif
BUILD   ?= build
SAN     ?=
WERROR  ?= -Werror
PREFIX  ?= /usr/local
# The one home of the version; a test holds the documents to it.
VERSION := 1.0.0

# name of the node = name of its folder = name on the bus
NODES_META     := meta
NODES_API      := api rest graphql websocket
NODES_DATABASE := database sql nosql cache
NODES_AUTH     := auth jwt oauth rbac
NODES          := $(NODES_META) $(NODES_API) $(NODES_DATABASE) $(NODES_AUTH)
DIR_meta := services/meta
DIR_api := services/api
DIR_database := services/database
DIR_auth := services/auth
$(foreach n,rest graphql websocket,$(eval DIR_$(n) := services/api/$(n)))
$(foreach n,sql nosql cache,$(eval DIR_$(n) := services/database/$(n)))
$(foreach n,jwt oauth rbac,$(eval DIR_$(n) := services/auth/$(n)))
# a stand-in links the library of whom it stands in for
LINK_graphql   := gql rest websocket live ops
LINK_websocket := rest graphql gql live ops
LINK_rest      := graphql gql websocket live ops
LINK_api       := ops
LINK_nosql     := sql
LINK_oauth     := jwt auth
LINK_jwt       := oauth auth
DIR_ops        := services/api/ops
DIR_gql        := services/api/graphql/engine
DIR_live       := services/api/live

DEPS     := $(CURDIR)/build/deps
PKGS     := libprotobuf-c libpq hiredis libjwt libsodium libuv jansson libcrypto
CPPFLAGS += -D_GNU_SOURCE -D_FORTIFY_SOURCE=$(if $(SAN),0,3) -DMETAFED_VERSION='"$(VERSION)"' \
            -Icommon -Iservices -Itests -I$(BUILD)/gen -I$(DEPS)/include -isystem /usr/include/postgresql
WARN     := -Wall -Wextra -Wshadow -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum -Wvla $(WERROR)
HARDEN   := -fstack-protector-strong -fstack-clash-protection -fcf-protection -ftrivial-auto-var-init=zero -fPIE
CFLAGS   ?= -O2 -g
ALL_CFLAGS := -std=gnu17 $(CFLAGS) $(WARN) $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all -fPIE,$(HARDEN)) $(EXTRA_CFLAGS)
LDFLAGS  += -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--build-id=sha1 $(if $(SAN),-fsanitize=$(SAN)) $(EXTRA_LDFLAGS)
LIBS     := $(shell pkg-config --libs $(PKGS)) -lnng -lpthread -lm
HTTP_LIBS := $(DEPS)/lib/libmicrohttpd.a -lgnutls -lz -lwslay
CURL_LIBS := -lcurl
CURSES_LIBS := -lncursesw -ltinfo
YAML_LIBS := -lyaml

LIB := $(BUILD)/lib
BIN := $(BUILD)/bin
GEN := $(BUILD)/gen
OBJ := $(BUILD)/obj

PROTOS := $(sort $(wildcard proto/*.proto))
PB_C   := $(PROTOS:%.proto=$(GEN)/%.pb-c.c)
PB_H   := $(PB_C:.c=.h)

# --- libraries: common's layers, then one per service folder ---
LAYERS  := base node bus store client
objs     = $(patsubst %.c,$(OBJ)/%.o,$(filter-out %/main.c,$(wildcard $(1)/*.c)))
LIB_proto_OBJS := $(PB_C:$(GEN)/%.c=$(OBJ)/gen/%.o) $(OBJ)/gen/methods.o
$(foreach l,$(LAYERS),$(eval LIB_$(l)_OBJS := $(call objs,common/$(l))))
SERVICE_LIBS := $(NODES) ops gql live cli reliability top
DIR_cli := services/cli
DIR_reliability := services/cli/reliability
DIR_top := services/cli/top
$(foreach s,$(SERVICE_LIBS),$(eval LIB_svc-$(s)_OBJS := $(call objs,$(DIR_$(s)))))
LIB_svc-sql_OBJS += $(OBJ)/gen/migrations.o
LIB_svc-jwt_OBJS += $(OBJ)/gen/common_passwords.o
LIB_svc-rest_OBJS += $(OBJ)/gen/rest_files.o $(OBJ)/gen/ui_files.o
LIB_svc-graphql_OBJS += $(OBJ)/gen/graphql_files.o
LIB_svc-oauth_OBJS += $(OBJ)/gen/oauth_files.o
ALL_LIBS := proto $(LAYERS) $(SERVICE_LIBS:%=svc-%)
COMMON_A := $(LIB)/libclient.a $(LIB)/libstore.a $(LIB)/libbus.a $(LIB)/libnode.a $(LIB)/libproto.a $(LIB)/libbase.a

BINS := $(NODES:%=$(BIN)/metafed-%) $(BIN)/metafed
EXAMPLES := $(patsubst services/cli/examples/%.c,$(BIN)/examples/%,$(wildcard services/cli/examples/*.c))

.PHONY: FORCE all gen libs check check-fleet check-fault e2e asan tsan fuzz lint bench cover soak clean check-compose check-kube reliability
# Objects that only a pattern leads to (of tests, examples) are kept like all others.
.SECONDARY:
all: $(BINS) $(EXAMPLES)
gen: $(PB_H) $(GEN)/methods.c
libs: $(ALL_LIBS:%=$(LIB)/lib%.a)

$(GEN)/%.pb-c.c $(GEN)/%.pb-c.h &: %.proto
	@mkdir -p $(@D)
	protoc-c --c_out=$(GEN) $<
$(GEN)/methods.c: $(PROTOS) scripts/gen-methods.awk
	@mkdir -p $(@D)
	awk -f scripts/gen-methods.awk $(PROTOS) > $@.new && mv $@.new $@

MIGRATIONS := $(sort $(wildcard services/database/sql/migrations/*.sql))
$(GEN)/migrations.c: $(MIGRATIONS) scripts/gen-migrations.awk
	@mkdir -p $(@D)
	awk -f scripts/gen-migrations.awk $(MIGRATIONS) > $@.new && mv $@.new $@

# Passwords that many people have; they become part of the program.
COMMON_PASSWORDS ?= /usr/share/john/password.lst
$(GEN)/common_passwords.c: $(COMMON_PASSWORDS) scripts/gen-common-passwords.awk
	@mkdir -p $(@D)
	tr A-Z a-z <$< | LC_ALL=C sort -u | awk -f scripts/gen-common-passwords.awk >$@.new && mv $@.new $@

REST_FILES := $(addprefix services/api/rest/,openapi.json docs.html docs.js docs.css)
$(GEN)/rest_files.c: $(REST_FILES) scripts/gen-files.awk
	@mkdir -p $(@D)
	awk -v array=rest_files -v header=api/rest/pages.h -f scripts/gen-files.awk $(REST_FILES) > $@.new && mv $@.new $@

# The dashboard is the same in every flavour: built once, in build/ui. UI=no: without it, and without npm.
UI       ?= yes
UI_DIST  := $(CURDIR)/build/ui
UI_BUILT := $(if $(filter-out no,$(UI)),$(UI_DIST)/built)
UI_FILES := $(addprefix services/api/ui/,index.html package.json package-lock.json tsconfig.json vite.config.ts) \
            $(shell find services/api/ui/public services/api/ui/src)
$(UI_DIST)/built: $(UI_FILES) scripts/build-ui
	scripts/build-ui $(UI_DIST)
# Again, too, when it is built with where it was without, or the other way round.
$(GEN)/ui_files.c: $(UI_BUILT) scripts/gen-ui $(if $(filter $(UI),$(shell cat $(GEN)/ui 2>/dev/null)),,FORCE)
	@mkdir -p $(@D)
	scripts/gen-ui $(if $(UI_BUILT),$(UI_DIST)/dist) >$@.new && mv $@.new $@
	@echo $(UI) >$(GEN)/ui

GRAPHQL_FILES := $(addprefix services/api/graphql/,schema.graphql console.html)
$(GEN)/graphql_files.c: $(GRAPHQL_FILES) scripts/gen-files.awk
	@mkdir -p $(@D)
	awk -v array=graphql_files -v header=api/graphql/files.h -f scripts/gen-files.awk $(GRAPHQL_FILES) > $@.new && mv $@.new $@

OAUTH_FILES := $(addprefix services/auth/oauth/,pages.css icon.svg) $(sort $(wildcard services/auth/oauth/templates/*.html))
$(GEN)/oauth_files.c: $(OAUTH_FILES) scripts/gen-files.awk
	@mkdir -p $(@D)
	awk -v array=oauth_files -v header=auth/oauth/html.h -f scripts/gen-files.awk $(OAUTH_FILES) > $@.new && mv $@.new $@

$(OBJ)/gen/%.o: $(GEN)/%.c | $(PB_H)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<
$(OBJ)/%.o: %.c | $(PB_H)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

define LIBRARY
$(LIB)/lib$(1).a: $$(LIB_$(1)_OBJS)
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(AR) rcsD $$@ $$^
endef
$(foreach l,$(ALL_LIBS),$(eval $(call LIBRARY,$(l))))

define NODE
$(BIN)/metafed-$(1): $(OBJ)/$(DIR_$(1))/main.o $(LIB)/libsvc-$(1).a $(LINK_$(1):%=$(LIB)/libsvc-%.a) $(COMMON_A)
	@mkdir -p $$(@D)
	$$(CC) $$(LDFLAGS) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(LIBS) $$(EXTRA_LIBS_$(1))
endef
EXTRA_LIBS_api = $(HTTP_LIBS)
$(foreach n,rest graphql websocket,$(eval EXTRA_LIBS_$(n) = -lz))
EXTRA_LIBS_rbac = $(YAML_LIBS)
$(foreach n,$(NODES),$(eval $(call NODE,$(n))))

$(BIN)/metafed: $(OBJ)/services/cli/main.o $(LIB)/libsvc-cli.a $(LIB)/libsvc-reliability.a $(LIB)/libsvc-top.a $(LIB)/libsvc-auth.a $(LIB)/libsvc-jwt.a $(LIB)/libsvc-meta.a $(LIB)/libsvc-sql.a $(LIB)/libsvc-nosql.a $(COMMON_A)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS) $(CURL_LIBS) $(CURSES_LIBS) -lz

$(BIN)/examples/%: $(OBJ)/services/cli/examples/%.o $(COMMON_A)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS)

include tests/tests.mk
# install, uninstall, deb, and the C client library.
include deploy/install.mk

# What the product promises, measured: 10 000 scenarios on a private fleet, beside theory and a single process. Some minutes.
reliability: all
	$(BIN)/metafed --json reliability run --scenarios 10000 --seed 1 --html $(BUILD)/reliability.html >$(BUILD)/reliability.json.new
	@mv $(BUILD)/reliability.json.new $(BUILD)/reliability.json
	$(BIN)/metafed reliability report $(BUILD)/reliability.json

# Needs root and a Docker engine that this target starts by itself; some minutes. See deploy/docker/README.md.
check-compose:
	scripts/check-compose

# deploy/kubernetes, taken by a real API server, which is built for it (a quarter of an hour; --dir keeps it).
check-kube:
	scripts/check-kube

clean:
	find $(BUILD) -mindepth 1 -maxdepth 1 ! -name deps -exec rm -rf {} + 2>/dev/null || true

-include $(shell find $(OBJ) -name '*.d' 2>/dev/null)
