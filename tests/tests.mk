# Tests. A unit test is tests/unit/NAME.c (cmocka, links everything in common and the services); a node test is
# tests/node/NAME.c (starts one or a few real nodes); a fuzzer is tests/fuzz/NAME.c (LLVMFuzzerTestOneInput).

UNIT_TESTS := $(patsubst tests/unit/%.c,$(BIN)/unit/%,$(wildcard tests/unit/*.c))
NODE_TESTS := $(patsubst tests/node/%.c,$(BIN)/node/%,$(wildcard tests/node/*.c))
HARNESS_OBJS := $(call objs,tests/harness)
SVC_A := $(SERVICE_LIBS:%=$(LIB)/libsvc-%.a)
LIB_harness_OBJS := $(HARNESS_OBJS)
$(eval $(call LIBRARY,harness))
# What is tested with the thread sanitizer needs common alone: of the harness only what it asks for, and no service is built.
TEST_LIBS := $(if $(filter thread,$(SAN)),$(LIB)/libharness.a,$(HARNESS_OBJS) $(SVC_A)) $(COMMON_A)
# Half the time for hundreds of programs, where it is installed.
TEST_LD := $(if $(shell command -v ld.gold),-fuse-ld=gold)

$(BIN)/unit/%: $(OBJ)/tests/unit/%.o $(TEST_LIBS)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $(TEST_LD) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS) $(HTTP_LIBS) $(YAML_LIBS) $(CURL_LIBS) -lcmocka
$(BIN)/node/%: $(OBJ)/tests/node/%.o $(TEST_LIBS)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $(TEST_LD) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS) $(HTTP_LIBS) $(YAML_LIBS) $(CURL_LIBS) -lcmocka

# The slow ones first: what runs side by side ends sooner so.
TESTS := $(NODE_TESTS) $(UNIT_TESTS)
ALONE := $(BIN)/node/sql_storm
TOGETHER = $(filter-out $(ALONE),$(TESTS)) -- $(ALONE)
check: all $(TESTS)
	@scripts/run-tests $(TOGETHER)

# Bugs that the history checker must find: tests/planted/NODE-BUG.c has __wrap_FUNCTION in the place of one of NODE's functions
# (and __real_FUNCTION where it wants it), and the program is NODE's own objects with that between.
PLANTED := $(patsubst tests/planted/%.c,$(BIN)/planted/%,$(wildcard tests/planted/*.c))
.SECONDEXPANSION:
planted_node = $(firstword $(subst -, ,$1))
$(BIN)/planted/%: $(OBJ)/tests/planted/%.o $(OBJ)/$$(DIR_$$(call planted_node,$$*))/main.o $(SVC_A) $(COMMON_A)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $$(sed -n 's/^__wrap_\([a-z0-9_]*\)(.*/-Wl,--wrap=\1/p' tests/planted/$*.c) -o $@ $(filter %.o,$^) \
		-Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS) $(EXTRA_LIBS_$(call planted_node,$*))

# Whole fleets of real processes, on private stores; node's test runner.
check-fleet check-fault e2e: export METAFED_BIN := $(abspath $(BIN))
check-fleet: all
	@scripts/run-node-tests $(sort $(wildcard tests/fleet/*.test.mjs))
check-fault: all $(PLANTED)
	@scripts/run-node-tests $(sort $(wildcard tests/fault/*.test.mjs))
e2e: all $(BIN)/bench/graphql
	@scripts/run-node-tests $(sort $(wildcard tests/e2e/*.test.mjs))

# Other flavours of the same build, three tests on two cores at a time: each is heavy. Address: unit and node tests, which must
# not leak either, and the malformed thousand against a whole fleet. -O1 -g1 take half the time to compile, and a trace has its
# lines; what there is to warn of, the first build has said.
MAKE_ASAN = $(MAKE) BUILD=$(BUILD)/asan SAN=address,undefined CFLAGS="-O1 -g1 -w"
MAKE_TSAN = $(MAKE) BUILD=$(BUILD)/tsan SAN=thread CFLAGS="-O1 -g1 -w"
.PHONY: asan-build tsan-build fuzz-build build-tests build-fuzzers
asan-build:
	+@$(MAKE_ASAN) build-tests
tsan-build:
	+@$(MAKE_TSAN) $(TSAN_TESTS:$(BIN)/%=$(BUILD)/tsan/bin/%)
build-tests: all $(TESTS)
asan:
	+@ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 $(MAKE_ASAN) check-asan
check-asan check-tsan: export TEST_JOBS ?= $(shell echo $$(($$(nproc) * 3 / 2)))
check-asan: export METAFED_BIN := $(abspath $(BIN))
check-asan: all $(TESTS)
	@scripts/run-tests $(TOGETHER) >$(BUILD)/check.log; status=$$?; cat $(BUILD)/check.log; \
	scripts/run-node-tests tests/fault/requests.test.mjs >$(BUILD)/fleet.log || status=1; \
	cat $(BUILD)/fleet.log; cat $(BUILD)/check.log $(BUILD)/fleet.log | scripts/sum-results; exit $$status
# What has more than one thread: the loop's queue, the work pool, the bus over nng (which is not instrumented itself).
TSAN_TESTS := $(filter %/loop %/work %/wire %/wire_peers %/wire_tcp %/call %/event %/log %/library,$(UNIT_TESTS))
tsan:
	+@TSAN_OPTIONS="suppressions=$(CURDIR)/tests/tsan.supp halt_on_error=1" $(MAKE_TSAN) check-tsan
check-tsan: $(TSAN_TESTS)
	@scripts/run-tests $(TSAN_TESTS)

# Fuzzers: clang's libFuzzer with address and undefined-behaviour sanitizers, FUZZ_SECONDS each.
FUZZERS := $(patsubst tests/fuzz/%.c,$(BIN)/fuzz/%,$(wildcard tests/fuzz/*.c))
build-fuzzers: $(FUZZERS)
$(BIN)/fuzz/%: $(OBJ)/tests/fuzz/%.o $(SVC_A) $(COMMON_A)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS) $(HTTP_LIBS) $(YAML_LIBS) $(CURL_LIBS)
MAKE_FUZZ = $(MAKE) -s BUILD=$(BUILD)/fuzz CC=clang-14 WERROR= CFLAGS="-O1 -g" SAN=address,undefined EXTRA_CFLAGS=-fsanitize=fuzzer-no-link
fuzz:
	+@$(MAKE_FUZZ) run-fuzz
fuzz-build:
	+@$(MAKE_FUZZ) build-fuzzers
run-fuzz: $(FUZZERS)
	@scripts/run-fuzzers $(FUZZERS)

# Measurements, each as ratios within one run: tests/bench/README.md. GraphQL's and HTTP's counterparts come from npm.
BENCHES := $(patsubst tests/bench/%.c,$(BIN)/bench/%,$(wildcard tests/bench/*.c))
$(BIN)/bench/%: $(OBJ)/tests/bench/%.o $(HARNESS_OBJS) $(SVC_A) $(COMMON_A)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS) $(HTTP_LIBS) $(YAML_LIBS) $(CURL_LIBS) -lcmocka
bench: all $(BENCHES)
	@for b in $(filter-out %/graphql %/ws %/password,$(BENCHES)); do echo "== $$b"; $$b || exit 1; done
	@node tests/bench/tokens.mjs $(BIN)/bench/tokens
	@scripts/bench-graphql $(BIN)/bench/graphql
	@scripts/bench-http
	@scripts/bench-oauth
	@node tests/bench/logins.mjs $(BIN)/bench/password

# Hours of the fault tests with changing seeds; not for CI.
SOAK_MINUTES ?= 60
soak: all $(PLANTED)
	@scripts/soak $(SOAK_MINUTES)

# Lines of common and services that the tests ran through, faults left out; some minutes. Needs gcovr.
cover:
	@scripts/run-cover $(BUILD)/cover

# --- lint: what the compiler's analyzer, clang-tidy and cppcheck say of our own sources ---
LINT_C := $(sort $(wildcard common/*/*.c services/*/*.c services/*/*/*.c services/*/*/*/*.c))
.PHONY: check-asan check-tsan run-fuzz
lint: gen
	@scripts/run-lint $(LINT_C)
