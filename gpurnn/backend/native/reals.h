/* A part of sets.h: the file that is being compiled, with REAL as float and as double. */
#define REAL float
#include __BASE_FILE__
#undef REAL
#define REAL double
#include __BASE_FILE__
#undef REAL
#undef SET
#undef FUSES
#undef TILE_ROWS
#undef TILE_PANELS
#undef VECTOR_BYTES
#undef VECTOR_FMA_float
#undef VECTOR_FMA_double
