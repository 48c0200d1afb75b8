# What is built for installing, and the targets install, uninstall, deb. The usual directory variables and DESTDIR count:
#
#   make install PREFIX=/usr/local          make uninstall PREFIX=/usr/local
#   make install DESTDIR=root PREFIX=/usr libdir=/usr/lib/x86_64-linux-gnu sysconfdir=/etc
#
# Installing makes a tree first ($(STAGE)) and copies that; what it put where is written down beside it, so that uninstall takes
# away exactly that, and the directories that were not there before.

prefix          ?= $(PREFIX)
exec_prefix     ?= $(prefix)
bindir          ?= $(exec_prefix)/bin
libexecdir      ?= $(exec_prefix)/libexec
libdir          ?= $(exec_prefix)/lib
includedir      ?= $(prefix)/include
datarootdir     ?= $(prefix)/share
datadir         ?= $(datarootdir)
mandir          ?= $(datarootdir)/man
docdir          ?= $(datarootdir)/doc/metafed
pkgconfigdir    ?= $(libdir)/pkgconfig
bashcompletiondir ?= $(datadir)/bash-completion/completions
systemdsystemunitdir ?= $(prefix)/lib/systemd/system
sysusersdir     ?= $(prefix)/lib/sysusers.d
tmpfilesdir     ?= $(prefix)/lib/tmpfiles.d
INSTALL         ?= install
OBJCOPY         ?= objcopy

STAGE    := $(BUILD)/stage
MANIFEST  = $(datadir)/metafed/installed

# --- the C client library ---
# Everything below common/metafed/client.h is one object whose other names nobody sees; the messages are compiled into the
# program that uses them (libmetafed-proto.a), so that no structure of theirs is part of the interface of the library.
SONAME   := libmetafed.so.1
PIC      := $(BUILD)/pic
PIC_CFLAGS = $(subst -fPIE,-fPIC,$(ALL_CFLAGS)) -fno-semantic-interposition
# Those of the methods for everybody, and what they import.
imports_of     = $(patsubst proto/%.proto,%,$(shell sed -n 's|^import "\(.*\)";|\1|p' $(1:%=proto/%.proto)))
with_imports   = $(sort $(1) $(call imports_of,$(1)))
PUBLIC_PROTOS := $(call with_imports,$(call with_imports,$(call with_imports,$(call with_imports,meta rest node))))
PUBLIC_PB_H   := $(PUBLIC_PROTOS:%=$(GEN)/metafed/proto/%.pb-c.h)
CLIENT_FACE   := $(patsubst %,$(PIC)/common/client/%.o,engine library calls pending)
CLIENT_INSIDE := $(filter-out $(CLIENT_FACE),$(patsubst %.c,$(PIC)/%.o,$(filter-out common/client/client.c common/node/http_client.c common/node/libcurl.c,$(wildcard $(addsuffix /*.c,$(addprefix common/,base node bus client))))))
CLIENT_PROTO  := $(PB_C:$(GEN)/%.c=$(PIC)/gen/%.o)
CLIENT_PKGS   := libprotobuf-c libuv jansson libsodium
CLIENT_LIBS    = $(shell pkg-config --libs $(CLIENT_PKGS)) -lnng -lpthread -lm

# Their names of each other as an installed program finds them.
$(GEN)/metafed/proto/%.pb-c.h: $(GEN)/proto/%.pb-c.h
	@mkdir -p $(@D)
	sed 's|"proto/\(.*\)"|<metafed/proto/\1>|' $< >$@.new && mv $@.new $@
gen: $(PUBLIC_PB_H)
$(EXAMPLES:$(BIN)/examples/%=$(OBJ)/services/cli/examples/%.o): | $(PUBLIC_PB_H)

$(PIC)/gen/%.o: $(GEN)/%.c | $(PB_H)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(PIC_CFLAGS) -MMD -MP -c -o $@ $<
$(PIC)/%.o: %.c | $(PB_H)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(PIC_CFLAGS) -MMD -MP -c -o $@ $<

$(PIC)/libinside.a: $(CLIENT_INSIDE) $(CLIENT_PROTO) $(PIC)/gen/methods.o
	@rm -f $@
	$(AR) rcsD $@ $^
$(LIB)/libmetafed-proto.a: $(PUBLIC_PROTOS:%=$(PIC)/gen/proto/%.pb-c.o)
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcsD $@ $^
$(LIB)/$(SONAME): $(CLIENT_FACE) $(PIC)/libinside.a common/client/metafed.map
	@mkdir -p $(@D)
	$(CC) -shared -Wl,-soname,$(SONAME) -Wl,--version-script,common/client/metafed.map -Wl,-z,defs -Wl,-z,relro,-z,now,-z,noexecstack \
		-Wl,--build-id=sha1 -Wl,--as-needed $(EXTRA_LDFLAGS) -o $@ $(CLIENT_FACE) $(PIC)/libinside.a $(CLIENT_LIBS)
$(PIC)/metafed.symbols: common/client/metafed.map
	@mkdir -p $(@D)
	sed -n 's/^\t\(metafed_[a-z_]*\);/\1/p' $< >$@
$(LIB)/libmetafed.a: $(CLIENT_FACE) $(PIC)/libinside.a $(PIC)/metafed.symbols
	@mkdir -p $(@D)
	@rm -f $@
	$(CC) -r -nostdlib -o $(PIC)/metafed.o $(CLIENT_FACE) $(PIC)/libinside.a
	$(OBJCOPY) --keep-global-symbols=$(PIC)/metafed.symbols $(PIC)/metafed.o
	$(AR) rcsD $@ $(PIC)/metafed.o

.PHONY: client-library stage install uninstall deb check-deb
client-library: $(LIB)/libmetafed.a $(LIB)/libmetafed-proto.a $(LIB)/$(SONAME)

# --- the tree ---
# A page for each section of the configuration is written by the programs themselves: no key is forgotten.
MAN_PAGES := services/cli/metafed.1 services/meta/metafed-meta.8 proto/metafed-protocol.7 $(wildcard common/client/man/*.3)
DOCS      := LICENSE README.md
# Left as they are; .in: with the directories of this installation.
UNITS     := metafed.service metafed.socket metafed.slice debian-stores.conf
WITH_DIRS  = sed -e 's|@prefix@|$(prefix)|g' -e 's|@bindir@|$(bindir)|g' -e 's|@libdir@|$(libdir)|g' -e 's|@includedir@|$(includedir)|g' \
	-e 's|@libexecdir@|$(libexecdir)|g' -e 's|@docdir@|$(docdir)|g' -e 's|@datadir@|$(datadir)|g' -e 's|@sysconfdir@|$(sysconfdir)|g' -e 's|@VERSION@|$(VERSION)|g'
sysconfdir ?= $(if $(filter /usr /usr/local,$(prefix)),/etc,$(prefix)/etc)

# put MODE,FILES,DIRECTORY
put = $(INSTALL) -d $(STAGE)$(3) && $(INSTALL) -m $(1) $(2) $(STAGE)$(3)/

$(BUILD)/metafed.conf.5: services/meta/metafed.conf.5.in deploy/conf-page $(BINS)
	deploy/conf-page services/meta/metafed.conf.5.in $(BIN) $(NODES) >$@.new && mv $@.new $@

stage: all client-library $(PUBLIC_PB_H) $(BUILD)/metafed.conf.5
	@rm -rf $(STAGE)
	@$(call put,755,$(BINS),$(bindir))
	@$(call put,755,scripts/init-var,$(libexecdir)/metafed)
	@$(call put,644,scripts/lib.sh,$(libexecdir)/metafed)
	@$(call put,644,$(LIB)/libmetafed.a $(LIB)/libmetafed-proto.a,$(libdir))
	@$(INSTALL) -m 644 $(LIB)/$(SONAME) $(STAGE)$(libdir)/libmetafed.so.$(VERSION)
	@ln -s libmetafed.so.$(VERSION) $(STAGE)$(libdir)/$(SONAME)
	@ln -s $(SONAME) $(STAGE)$(libdir)/libmetafed.so
	@$(call put,644,common/metafed/client.h common/metafed/methods.h,$(includedir)/metafed)
	@$(call put,644,$(PUBLIC_PB_H),$(includedir)/metafed/proto)
	@$(INSTALL) -d $(STAGE)$(pkgconfigdir) && $(WITH_DIRS) common/client/metafed.pc.in >$(STAGE)$(pkgconfigdir)/metafed.pc
	@set -e; for page in $(MAN_PAGES) $(BUILD)/metafed.conf.5; do \
		$(INSTALL) -d $(STAGE)$(mandir)/man$${page##*.}; $(WITH_DIRS) $$page >$(STAGE)$(mandir)/man$${page##*.}/$${page##*/}; done
	@deploy/man-links $(STAGE)$(mandir)/man3
	@$(INSTALL) -d $(STAGE)$(bashcompletiondir) && $(BIN)/metafed completion bash >$(STAGE)$(bashcompletiondir)/metafed
	@$(call put,644,$(DOCS),$(docdir))
	@$(INSTALL) -m 644 deploy/README.md $(STAGE)$(docdir)/GUIDE.md
	@$(INSTALL) -m 644 proto/README.md $(STAGE)$(docdir)/PROTOCOL.md
	@$(call put,644,$(wildcard services/cli/examples/*),$(docdir)/examples)
	@$(call put,644,$(PROTOS),$(datadir)/metafed/proto)
	@$(call put,644,scripts/sample-request.json scripts/sample-tasks.csv,$(datadir)/metafed)
	@set -e; for part in logging prometheus; do [ ! -d deploy/$$part ] || { $(INSTALL) -d $(STAGE)$(datadir)/metafed/$$part; \
		cp -R deploy/$$part/. $(STAGE)$(datadir)/metafed/$$part/; }; done
	@$(INSTALL) -d $(STAGE)$(systemdsystemunitdir) $(STAGE)$(datadir)/metafed/systemd
	@set -e; for unit in metafed.service metafed.socket metafed.slice; do $(WITH_DIRS) deploy/systemd/$$unit >$(STAGE)$(systemdsystemunitdir)/$$unit; done
	@$(call put,644,deploy/systemd/debian-stores.conf deploy/systemd/README.md,$(datadir)/metafed/systemd)
	@$(call put,644,deploy/systemd/metafed.conf,$(datadir)/metafed)
	@$(INSTALL) -d $(STAGE)$(sysusersdir) $(STAGE)$(tmpfilesdir)
	@$(INSTALL) -m 644 deploy/systemd/metafed.sysusers $(STAGE)$(sysusersdir)/metafed.conf
	@$(INSTALL) -m 644 deploy/systemd/metafed.tmpfiles $(STAGE)$(tmpfilesdir)/metafed.conf
	@find $(STAGE) -type f ! -perm -u+x -exec chmod 644 {} + && find $(STAGE) -type d -exec chmod 755 {} +

install: stage
	@deploy/install-tree install $(STAGE) "$(DESTDIR)" $(MANIFEST)
uninstall:
	@deploy/install-tree uninstall "$(DESTDIR)" $(MANIFEST)

# --- Debian packages: into build/, without network; as anybody. See deploy/debian/README.md ---
deb: all
	@deploy/debian/build $(VERSION) $(abspath $(BUILD))
check-deb: deb
	@deploy/debian/check $(VERSION) $(abspath $(BUILD))

-include $(shell find $(PIC) -name '*.d' 2>/dev/null)
