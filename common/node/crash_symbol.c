/* crash_symbol: names of functions, from the symbol tables of the file itself. Runs in a signal handler:
 * no allocation, no stdio, and no belief in what the file says. */
#include "node/crash.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct image {
	const uint8_t *p;
	uint64_t n;
};

static bool search(struct image m, uint64_t at, char *name, size_t size, uint64_t *offset);
static bool search_table(
    struct image m, const ElfW(Shdr) * table, uint64_t at, char *name, size_t size, uint64_t *best);
static const ElfW(Shdr) * section(struct image m, uint64_t i);
static bool inside(struct image m, uint64_t at, uint64_t n);
static void take(struct image m, const ElfW(Shdr) * strings, uint64_t at, char *name, size_t size);

bool
crash_symbol(const char *file, uint64_t at, char *name, size_t size, uint64_t *offset)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	struct image m = { NULL, 0 };
	bool found = false;
	struct stat st;
	void *p;

	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && st.st_size > 0) {
		m.n = (uint64_t)st.st_size;
		p = mmap(NULL, m.n, PROT_READ, MAP_PRIVATE, fd, 0);
		if (p != MAP_FAILED) {
			m.p = p;
			found = search(m, at, name, size, offset);
			munmap(p, m.n);
		}
	}
	close(fd);
	return found;
}

static bool
search(struct image m, uint64_t at, char *name, size_t size, uint64_t *offset)
{
	const ElfW(Ehdr) *h = (const void *)m.p;
	uint64_t best = UINT64_MAX;

	if (!inside(m, 0, sizeof(*h)) || memcmp(h->e_ident, ELFMAG, SELFMAG) != 0 ||
	    h->e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) ||
	    h->e_shentsize != sizeof(ElfW(Shdr)))
		return false;
	for (uint64_t i = 0; i < h->e_shnum; i++) {
		const ElfW(Shdr) *s = section(m, i);

		if (s != NULL && (s->sh_type == SHT_SYMTAB || s->sh_type == SHT_DYNSYM) &&
		    search_table(m, s, at, name, size, &best))
			*offset = best;
	}
	return best != UINT64_MAX;
}

/* True: there is a nearer one than *best, the distance so far. */
static bool
search_table(
    struct image m, const ElfW(Shdr) * table, uint64_t at, char *name, size_t size, uint64_t *best)
{
	const ElfW(Shdr) *strings = section(m, table->sh_link);
	const ElfW(Sym) *s = (const void *)(m.p + table->sh_offset);
	bool found = false;

	if (strings == NULL || table->sh_offset % sizeof(void *) != 0)
		return false;
	for (uint64_t n = table->sh_size / sizeof(*s); n > 0; n--, s++) {
		if ((s->st_info & 0xf) != STT_FUNC || s->st_shndx == SHN_UNDEF ||
		    s->st_value > at || at - s->st_value >= s->st_size || at - s->st_value >= *best)
			continue;
		*best = at - s->st_value;
		take(m, strings, s->st_name, name, size);
		found = true;
	}
	return found;
}

/* NULL: there is none, or its bytes are not in the file. */
static const ElfW(Shdr) * section(struct image m, uint64_t i)
{
	const ElfW(Ehdr) *h = (const void *)m.p;
	const ElfW(Shdr) *s = (const void *)(m.p + h->e_shoff + i * sizeof(*s));

	if (i >= h->e_shnum || h->e_shoff % sizeof(void *) != 0 ||
	    !inside(m, h->e_shoff, (i + 1) * sizeof(*s)) || s->sh_type == SHT_NOBITS ||
	    !inside(m, s->sh_offset, s->sh_size))
		return NULL;
	return s;
}

static bool
inside(struct image m, uint64_t at, uint64_t n)
{
	return at <= m.n && n <= m.n - at;
}

static void
take(struct image m, const ElfW(Shdr) * strings, uint64_t at, char *name, size_t size)
{
	const char *text = (const char *)(m.p + strings->sh_offset);
	size_t n = 0;

	for (; at < strings->sh_size && text[at] != '\0' && n + 1 < size; at++)
		name[n++] = text[at];
	name[n] = '\0';
}
