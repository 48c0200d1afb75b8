/* build: see build.h. Written in assembler, as a section of type NOTE is what the linker makes a segment
 * of that a reader finds without any symbols. */
#include "node/build.h"

#include "bus/version.h"
#include "node/contract.h"

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)

const struct build build_own = { BUS_VERSION, CONTRACT_VERSION, METAFED_VERSION };

/* clang-format off: columns */
__asm__("	.pushsection .note.metafed, \"a\", %note\n"
	"	.balign	4\n"
	"	.long	2f - 1f, 4f - 3f, " TEXT(
	    BUILD_NOTE_TYPE) "\n"
			     "1:	.asciz	\"" BUILD_NOTE_NAME "\"\n"
			     "2:	.balign	4\n"
			     "3:	.long	" TEXT(BUS_VERSION) ", " TEXT(
				 CONTRACT_VERSION) "\n"
						   "	.asciz	\"" METAFED_VERSION "\"\n"
						   "4:	.balign	4\n"
						   "	.popsection\n");
/* clang-format on */
