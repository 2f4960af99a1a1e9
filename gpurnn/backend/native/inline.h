/* Functions that become part of where they are called. */
#ifndef GPURNN_INLINE_H
#define GPURNN_INLINE_H

#define INLINE static inline __attribute__((always_inline))

#endif
