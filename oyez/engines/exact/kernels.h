// Exact integer Llama: shared types and the total rounding shift.
//
// The arithmetic is docs/spec/engine.md; spec.py is the same in plain NumPy, and every path here
// gives the same bits. Sums are int64 (portable) or float64 (the others), both exact: the host
// checks that no partial sum of a model reaches 2^62, and 2^53 before it chooses a float64 path.
#ifndef OYEZ_KERNELS_H
#define OYEZ_KERNELS_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#define OYEZ_X86 1
#include <cpuid.h>
#include <immintrin.h>
#define TARGET_AVX2 __attribute__((target("avx2,fma,f16c,bmi2")))
// clang 18 to 21 want 512-bit registers named as a feature of their own.
#if defined(__clang__) && !defined(__apple_build_version__) && __clang_major__ >= 18 &&            \
    __clang_major__ <= 21
#define WIDE_REGISTERS "evex512,"
#else
#define WIDE_REGISTERS ""
#endif
#define TARGET_AVX512                                                                              \
    __attribute__((target(WIDE_REGISTERS                                                           \
                          "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma,f16c,bmi2")))
#else
#define OYEZ_X86 0
#endif
#if defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define OYEZ_NEON 1
#else
#define OYEZ_NEON 0
#endif

typedef int8_t i8;
typedef int16_t i16;
typedef int32_t i32;
typedef int64_t i64;
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef unsigned __int128 u128;

enum { PATH_PORTABLE = 0, PATH_AVX2 = 1, PATH_AVX512 = 2, PATH_NEON = 3 };

enum {
    GROUP = 32,       // columns of a tile
    TILE_ROWS = 16,   // rows packed together
    BLOCK = 128,      // most tokens of one call
    UNPACKED = 1280,  // bytes that a path may unpack a tile's group of columns to
    MAX_HEAD = 256,   // most lanes of a head
    SCALE_BITS = 24,  // scales are integers of 2^-24
    RESIDUAL = 14,    // formats: fractional bits
    LANE = 16,
    ROPE = 14,
    LOG2E_Q16 = 94548,
};

#define SAT16 32767LL
#define SAT32 2147483647LL
#define WIDE (1LL << 40)
#define ONE_Q30 (1LL << 30)

// A matrix in tiles (kernels_rows.h); columns are rounded up to whole groups of 32.
typedef struct {
    i32 rows, columns, kind, unused;
    const u8 *tiles;
    const u8 *data; // the file's own rows
    i64 row_bytes;
} matrix;

typedef struct {
    const i32 *weights;
    i64 exponent;
} norm;

typedef struct {
    matrix q, k, v, output, gate, up, down;
    norm attn_norm, ffn_norm;
    i32 q_format, k_format, v_format, unused;
} layer;

typedef struct {
    i32 layers, width, feed_forward, heads, kv_heads, head_size, context, path;
    i64 epsilon, score_scale;
    i64 exponential[4];
    const i16 *cosines, *sines;
    const layer *layer;
    norm output_norm;
    matrix embedding, head;
} model;

// A block's matrix inputs, one row a token, whole groups of 32 lanes: y = 256 high + low, the sums
// of every 32 and of every 16 lanes, and the fractional bits that its real value has.
typedef struct {
    i16 *lanes;
    i8 *high, *low;
    double *sums, *halves;
    i64 format[BLOCK];
} activation;

// Where a token belongs: its session's keys and values, [layer][head][capacity], and its position.
typedef struct {
    i16 *keys, *values;
    i64 capacity, position;
} place;

// One thread's room.
typedef struct {
    i16 *rotated;
    i64 *scores;
    i32 *weights;
    u8 *unpacked;
} desk;

static inline i64 clamp(i64 value, i64 limit) {
    return value > limit ? limit : value < -limit ? -limit : value;
}

// sat(floor((value + 2^(shift-1)) / 2^shift)), total for every shift; |value| < 2^62.
static inline i64 rounding_shift(i64 value, i64 shift, i64 limit) {
    if (shift >= 63) return 0;
    if (shift > 0) return clamp((value + (1LL << (shift - 1))) >> shift, limit);
    i64 left = shift < -62 ? 62 : -shift;
    i64 most = limit >> left;
    if (value > most) return limit;
    if (value < -most) return -limit;
    return value * (1LL << left);
}

static inline int bit_length(u64 value) { return value ? 64 - __builtin_clzll(value) : 0; }

#endif
