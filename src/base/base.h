/* base.h: words that every file uses. Knows nobody. */
#ifndef EVI_BASE_H
#define EVI_BASE_H

#include "features.h"

#include <assert.h>
#include <stdint.h>

/* How internal functions travel between files: static when all of them meet in ev.c, hidden symbols when
 * each file is compiled alone (EVI_SPLIT), to prove that headers are complete and layers hold. */
#ifdef EVI_SPLIT
#define EVI __attribute__ ((visibility ("hidden")))
#define EVI_DATA extern __attribute__ ((visibility ("hidden")))
#define EVI_HOME __attribute__ ((visibility ("hidden")))
#else
#define EVI static __attribute__ ((unused))
#define EVI_DATA static __attribute__ ((unused))
#define EVI_HOME static __attribute__ ((unused))
#endif

/* Small functions in headers; not every configuration uses each. */
#define EVI_INLINE static inline __attribute__ ((unused))
/* … and those that are worth it wherever they stand: a few instructions, for each event. */
#define EVI_INLINE_HOT static inline __attribute__ ((unused, always_inline))

#define EVI_LIKELY(x) __builtin_expect (!!(x), 1)
#define EVI_UNLIKELY(x) __builtin_expect (!!(x), 0)
/* Programs with ev.c inside use these of libev's (perl's EV). */
#ifndef ecb_expect_true
#define ecb_expect_true(x) __builtin_expect (!!(x), 1)
#define ecb_expect_false(x) __builtin_expect (!!(x), 0)
#endif
/* Kept out of the way of what runs often: a call to it costs its callers no registers. */
#define EVI_COLD __attribute__ ((cold, noinline))
/* The same for what is no rarity, beside a shorter way that should not pay for it. */
#define EVI_APART __attribute__ ((noinline))
/* What must be so where two rooms meet: who gives says it, who takes checks it. In test builds. */
#if EVI_ASSERTS
#define EVI_ASSERT(x) assert (x)
#else
#define EVI_ASSERT(x) ((void) sizeof (x))
#endif
#define EVI_COUNT(array) (sizeof (array) / sizeof *(array))

#define EVI_IO_BITS (EV_READ | EV_WRITE)

#endif
