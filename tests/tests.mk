# Tests. A unit test is tests/unit/NAME.c (cmocka, links everything in common and the services); a node test is
# tests/node/NAME.c (starts one or a few real nodes); a fuzzer is tests/fuzz/NAME.c (LLVMFuzzerTestOneInput).

UNIT_TESTS := $(patsubst tests/unit/%.c,$(BIN)/unit/%,$(wildcard tests/unit/*.c))
NODE_TESTS := $(patsubst tests/node/%.c,$(BIN)/node/%,$(wildcard tests/node/*.c))
HARNESS_OBJS := $(call objs,tests/harness)
SVC_A := $(SERVICE_LIBS:%=$(LIB)/libsvc-%.a)

$(BIN)/unit/%: $(OBJ)/tests/unit/%.o $(HARNESS_OBJS) $(SVC_A) $(COMMON_A)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS) $(HTTP_LIBS) $(CLI_LIBS) -lcmocka
$(BIN)/node/%: $(OBJ)/tests/node/%.o $(HARNESS_OBJS) $(SVC_A) $(COMMON_A)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS) $(HTTP_LIBS) $(CLI_LIBS) -lcmocka

# The slow ones first: what runs side by side ends sooner so.
TESTS := $(NODE_TESTS) $(UNIT_TESTS)
check: all $(TESTS)
	@scripts/run-tests $(TESTS)

# Whole fleets of real processes, on private stores; node's test runner.
check-fleet check-fault e2e: export METAFED_BIN := $(abspath $(BIN))
check-fleet: all
	@scripts/run-node-tests $(sort $(wildcard tests/fleet/*.test.mjs))
check-fault: all
	@scripts/run-node-tests $(sort $(wildcard tests/fault/*.test.mjs))
e2e: all $(BIN)/bench/graphql
	@scripts/run-node-tests $(sort $(wildcard tests/e2e/*.test.mjs))

# Other flavours of the same build, one test per core at a time: each is heavy. Address: unit and node tests, which must
# not leak either, and the malformed thousand against a whole fleet.
asan:
	@ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 $(MAKE) BUILD=$(BUILD)/asan SAN=address,undefined check-asan
check-asan check-tsan: export TEST_JOBS ?= $(shell nproc)
check-asan: export METAFED_BIN := $(abspath $(BIN))
check-asan: all $(TESTS)
	@scripts/run-tests $(TESTS) >$(BUILD)/check.log; status=$$?; cat $(BUILD)/check.log; \
	scripts/run-node-tests tests/fault/requests.test.mjs >$(BUILD)/fleet.log || status=1; \
	cat $(BUILD)/fleet.log; cat $(BUILD)/check.log $(BUILD)/fleet.log | scripts/sum-results; exit $$status
# What has more than one thread: the loop's queue, the work pool, the bus over nng (which is not instrumented itself).
TSAN_TESTS := $(filter %/loop %/work %/wire %/wire_peers %/wire_tcp %/call %/event %/log,$(UNIT_TESTS))
tsan:
	@TSAN_OPTIONS="suppressions=$(CURDIR)/tests/tsan.supp halt_on_error=1" $(MAKE) BUILD=$(BUILD)/tsan SAN=thread check-tsan
check-tsan: $(TSAN_TESTS)
	@scripts/run-tests $(TSAN_TESTS)

# Fuzzers: clang's libFuzzer with address and undefined-behaviour sanitizers, FUZZ_SECONDS each.
FUZZERS := $(patsubst tests/fuzz/%.c,$(BIN)/fuzz/%,$(wildcard tests/fuzz/*.c))
$(BIN)/fuzz/%: $(OBJ)/tests/fuzz/%.o $(SVC_A) $(COMMON_A)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS) $(HTTP_LIBS) $(CLI_LIBS)
fuzz:
	@$(MAKE) -s BUILD=$(BUILD)/fuzz CC=clang-14 WERROR= CFLAGS="-O1 -g" SAN=address,undefined EXTRA_CFLAGS=-fsanitize=fuzzer-no-link run-fuzz
run-fuzz: $(FUZZERS)
	@scripts/run-fuzzers $(FUZZERS)

# Measurements, each as ratios within one run: tests/bench/README.md. GraphQL's and HTTP's counterparts come from npm.
BENCHES := $(patsubst tests/bench/%.c,$(BIN)/bench/%,$(wildcard tests/bench/*.c))
$(BIN)/bench/%: $(OBJ)/tests/bench/%.o $(HARNESS_OBJS) $(SVC_A) $(COMMON_A)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS) $(HTTP_LIBS) $(CLI_LIBS) -lcmocka
bench: all $(BENCHES)
	@for b in $(filter-out %/graphql %/ws,$(BENCHES)); do echo "== $$b"; $$b || exit 1; done
	@scripts/bench-graphql $(BIN)/bench/graphql
	@scripts/bench-http

# Hours of the fault tests with changing seeds; not for CI.
SOAK_MINUTES ?= 60
soak: all
	@scripts/soak $(SOAK_MINUTES)

# Lines of common and services that the tests ran through, faults left out; some minutes. Needs gcovr.
cover:
	@scripts/run-cover $(BUILD)/cover

# --- lint: what the compiler's analyzer, clang-tidy and cppcheck say of our own sources ---
LINT_C := $(sort $(wildcard common/*/*.c services/*/*.c services/*/*/*.c services/*/*/*/*.c))
.PHONY: check-asan check-tsan run-fuzz
lint: gen
	@scripts/run-lint $(LINT_C)
