/* image: see image.h. Of an ELF file only its header, the table of segments and the notes are read;
 * each offset in them is a stranger's and held against what was read. */
#include "meta/image.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "node/build.h"
#include "node/node.h"

#define SEGMENTS_MOST 64
#define ID_BYTES      ((IMAGE_ID - 1) / 2)

struct bytes { /* a part of the file, or all of it */
	const uint8_t *p;
	size_t n;
};

static bool image_of_fd(int fd, struct image *out);
static void id_of_stat(const struct stat *st, struct image *out);
static bool part(struct bytes whole, uint64_t at, uint64_t n, struct bytes *out);
static void notes(struct bytes b, size_t align, struct image *out);
static void
take_note(const char *name, size_t name_n, uint32_t type, struct bytes d, struct image *out);
static void take_build(struct bytes d, struct image *out);

bool
image_of_file(const char *path, struct image *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	return fd >= 0 && image_of_fd(fd, out);
}

bool
image_of_process(pid_t pid, struct image *out)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	return image_of_file(path, out);
}

bool
image_same(const struct image *a, const struct image *b)
{
	return strcmp(a->id, b->id) == 0;
}

void
image_name(const struct image *i, char out[IMAGE_NAME])
{
	snprintf(out, IMAGE_NAME, "%s+%.8s", i->version[0] != '\0' ? i->version : "?",
	    i->id[0] == '~' ? i->id + 1 : i->id);
}

bool
image_parse(const uint8_t *p, size_t n, struct image *out)
{
	const struct bytes whole = { p, n };
	struct bytes table, b;
	Elf64_Ehdr e;
	Elf64_Phdr s;

	*out = (struct image){ .id = "" };
	if (n < sizeof(e))
		return false;
	memcpy(&e, p, sizeof(e));
	if (memcmp(e.e_ident, ELFMAG, SELFMAG) != 0 || e.e_ident[EI_CLASS] != ELFCLASS64 ||
	    e.e_ident[EI_DATA] !=
		(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB) ||
	    e.e_phentsize != sizeof(s) || e.e_phnum > SEGMENTS_MOST ||
	    !part(whole, e.e_phoff, (uint64_t)e.e_phnum * sizeof(s), &table))
		return false;
	for (size_t i = 0; i < e.e_phnum; i++) {
		memcpy(&s, table.p + i * sizeof(s), sizeof(s));
		if (s.p_type == PT_NOTE && part(whole, s.p_offset, s.p_filesz, &b))
			notes(b, s.p_align == 8 ? 8 : 4, out);
	}
	return true;
}

void
image_path(const char *node, char out[PATH_MAX])
{
	const char *beside = getenv("METAFED_SWEEP"); /* the contract: metafed-meta's path */
	char dir[PATH_MAX];
	ssize_t n;

	if (beside != NULL) {
		snprintf(dir, sizeof(dir), "%s", beside);
	} else {
		n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
		dir[n > 0 ? n : 0] = '\0';
	}
	if (snprintf(out, PATH_MAX, "%s/metafed-%s", dirname(dir),
		fleet_is_meta(node) ? "meta" : node) >= PATH_MAX)
		out[0] = '\0';
}

/* Takes fd over. */
static bool
image_of_fd(int fd, struct image *out)
{
	uint8_t *head = mem_zalloc(IMAGE_HEAD);
	struct stat st;
	size_t have = 0;
	ssize_t n = 0;
	bool good;

	while (have < IMAGE_HEAD &&
	       ((n = pread(fd, head + have, IMAGE_HEAD - have, (off_t)have)) > 0 ||
		   (n < 0 && errno == EINTR)))
		have += n > 0 ? (size_t)n : 0;
	good = n >= 0 && fstat(fd, &st) == 0;
	close(fd);
	if (good && !image_parse(head, have, out)) {
		errno = ENOEXEC;
		good = false;
	}
	if (good && out->id[0] == '\0')
		id_of_stat(&st, out);
	free(head);
	return good;
}

static void
id_of_stat(const struct stat *st, struct image *out)
{
	const uint64_t of[] = { st->st_dev, st->st_ino, (uint64_t)st->st_size,
		(uint64_t)st->st_mtim.tv_sec, (uint64_t)st->st_mtim.tv_nsec };
	uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a: to tell apart, not to prove */

	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++)
		for (int shift = 0; shift < 64; shift += 8)
			h = (h ^ (of[i] >> shift & 0xff)) * UINT64_C(1099511628211);
	snprintf(out->id, sizeof(out->id), "~%016llx", (unsigned long long)h);
}

static bool
part(struct bytes whole, uint64_t at, uint64_t n, struct bytes *out)
{
	if (at > whole.n || n > whole.n - at)
		return false;
	*out = (struct bytes){ whole.p + at, (size_t)n };
	return true;
}

/* Name and description are each filled up to the alignment of the segment. */
static void
notes(struct bytes b, size_t align, struct image *out)
{
	Elf64_Nhdr h;

	while (b.n >= sizeof(h)) {
		struct bytes name, d;
		uint64_t at, end;

		memcpy(&h, b.p, sizeof(h));
		at = (sizeof(h) + (uint64_t)h.n_namesz + align - 1) / align * align;
		end = (at + h.n_descsz + align - 1) / align * align;
		if (!part(b, sizeof(h), h.n_namesz, &name) || !part(b, at, h.n_descsz, &d))
			return;
		take_note((const char *)name.p, name.n, h.n_type, d, out);
		if (end >= b.n)
			return;
		b = (struct bytes){ b.p + end, b.n - (size_t)end };
	}
}

static void
take_note(const char *name, size_t name_n, uint32_t type, struct bytes d, struct image *out)
{
	if (name_n == sizeof(ELF_NOTE_GNU) && memcmp(name, ELF_NOTE_GNU, name_n) == 0 &&
	    type == NT_GNU_BUILD_ID && d.n > 0 && d.n <= ID_BYTES)
		str_hex(d.p, d.n, out->id);
	else if (name_n == sizeof(BUILD_NOTE_NAME) && memcmp(name, BUILD_NOTE_NAME, name_n) == 0 &&
		 type == BUILD_NOTE_TYPE)
		take_build(d, out);
}

static void
take_build(struct bytes d, struct image *out)
{
	size_t n;

	if (d.n < 2 * sizeof(uint32_t))
		return;
	memcpy(&out->bus, d.p, sizeof(uint32_t));
	memcpy(&out->contract, d.p + sizeof(uint32_t), sizeof(uint32_t));
	out->says = true;
	d = (struct bytes){ d.p + 2 * sizeof(uint32_t), d.n - 2 * sizeof(uint32_t) };
	n = strnlen((const char *)d.p, d.n < IMAGE_VERSION ? d.n : IMAGE_VERSION - 1);
	for (size_t i = 0; i < n; i++) /* it is shown to people */
		out->version[i] = d.p[i] > ' ' && d.p[i] < 0x7f ? (char)d.p[i] : '?';
	out->version[n] = '\0';
}
