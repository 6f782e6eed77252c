// Tile products and attention for aarch64: NEON, and SDOT where the machine has it.
//
// As in kernels_avx2.h the dots are int32 and their sums float64, exact, in units of 2^-24 of real
// scales. SDOT takes signed bytes, so quants of 8 bits lose 128 first, and get back 128 times the
// sum of their lanes. No instruction here saturates.

#include <arm_neon.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif

#define INLINE static inline __attribute__((always_inline))

// Compilers that take the instruction in a function of its own; else the whole build must have it.
#if defined(__ARM_FEATURE_DOTPROD)
#define HAS_SDOT 1
#define TARGET_SDOT
#elif defined(__clang__)
#define HAS_SDOT (__clang_major__ >= 16)
#define TARGET_SDOT __attribute__((target("dotprod")))
#else
#define HAS_SDOT (__GNUC__ >= 10)
#define TARGET_SDOT __attribute__((target("+dotprod")))
#endif

// Dots of 8 rows and `chunks` times 4 columns, from chunk `first` of their tile on, with the lanes
// from `lane` on of each of up to four tokens: dots[2 * token] has rows 0 to 3. `sums` has the
// sum of each token's lanes.
typedef void dots_function(const u8 *quants, int nibbles, int first, int chunks,
                           const activation *y, i64 lane, i64 columns, int tokens,
                           const double *sums, int32x4_t *dots);

// Chunk c of four rows.
INLINE uint8x16_t quants_neon(const u8 *quants, int nibbles, int c) {
    if (!nibbles) return vld1q_u8(quants + 64 * c);
    uint8x16_t bytes = vld1q_u8(quants + 64 * (c & 3));
    return c < 4 ? vandq_u8(bytes, vdupq_n_u8(15)) : vshrq_n_u8(bytes, 4);
}

// Two rows of a chunk times a token's four lanes.
INLINE void add_rows_neon(uint8x8_t bytes, int16x4_t lanes, int32x4_t *rows) {
    int16x8_t wide = vreinterpretq_s16_u16(vmovl_u8(bytes));
    rows[0] = vmlal_s16(rows[0], vget_low_s16(wide), lanes);
    rows[1] = vmlal_s16(rows[1], vget_high_s16(wide), lanes);
}

INLINE void dots_neon(const u8 *quants, int nibbles, int first, int chunks, const activation *y,
                      i64 lane, i64 columns, int tokens, const double *sums, int32x4_t *dots) {
    (void)sums;
    for (int t = 0; t < tokens; t++) {
        const i16 *lanes = y->lanes + lane + t * columns;
        int32x4_t rows[8];
        for (int r = 0; r < 8; r++) rows[r] = vdupq_n_s32(0);
        for (int c = 0; c < chunks; c++) {
            int16x4_t four = vld1_s16(lanes + 4 * c);
            for (int part = 0; part < 2; part++) {
                uint8x16_t bytes = quants_neon(quants + 16 * part, nibbles, first + c);
                add_rows_neon(vget_low_u8(bytes), four, rows + 4 * part);
                add_rows_neon(vget_high_u8(bytes), four, rows + 4 * part + 2);
            }
        }
        for (int part = 0; part < 2; part++)
            dots[2 * t + part] = vpaddq_s32(vpaddq_s32(rows[4 * part], rows[4 * part + 1]),
                                            vpaddq_s32(rows[4 * part + 2], rows[4 * part + 3]));
    }
}

#if HAS_SDOT
// Adds one chunk, whose number modulo 4 is a literal, of all tokens.
#define ADD_CHUNK(number)                                                                          \
    do {                                                                                           \
        int8x16_t upper = vreinterpretq_s8_u8(                                                     \
            veorq_u8(quants_neon(quants, nibbles, first + c + (number)), flip));                   \
        int8x16_t lower = vreinterpretq_s8_u8(                                                     \
            veorq_u8(quants_neon(quants + 16, nibbles, first + c + (number)), flip));              \
        for (int t = 0; t < tokens; t++) {                                                         \
            dots[2 * t] = vdotq_laneq_s32(dots[2 * t], upper, lanes[t], number);                   \
            dots[2 * t + 1] = vdotq_laneq_s32(dots[2 * t + 1], lower, lanes[t], number);           \
        }                                                                                          \
    } while (0)

// First with the high bytes of the lanes, then, 256 times that, with the low ones.
TARGET_SDOT INLINE void dots_sdot(const u8 *quants, int nibbles, int first, int chunks,
                                  const activation *y, i64 lane, i64 columns, int tokens,
                                  const double *sums, int32x4_t *dots) {
    const uint8x16_t flip = vdupq_n_u8(nibbles ? 0 : 128);
    for (int t = 0; t < 2 * tokens; t++) dots[t] = vdupq_n_s32(0);
    for (int pass = 0; pass < 2; pass++) {
        const i8 *bytes = (pass ? y->low : y->high) + lane;
        for (int t = 0; t < 2 * tokens; t++) dots[t] = vshlq_n_s32(dots[t], 8);
        for (int c = 0; c < chunks; c += 4) {
            int8x16_t lanes[4];
            for (int t = 0; t < tokens; t++) lanes[t] = vld1q_s8(bytes + t * columns + 4 * c);
            ADD_CHUNK(0);
            ADD_CHUNK(1);
            ADD_CHUNK(2);
            ADD_CHUNK(3);
        }
    }
    for (int t = 0; t < 2 * tokens && !nibbles; t++)
        dots[t] = vaddq_s32(dots[t], vdupq_n_s32(128 * (i32)sums[t / 2]));
}
#endif

INLINE float32x4_t four_reals_neon(const u8 *at, int wide) {
    if (wide) return vreinterpretq_f32_u8(vld1q_u8(at));
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(at)));
}

// Eight scales or minima as float64.
INLINE void eight_reals_neon(const u8 *at, int wide, float64x2_t *reals) {
    for (int i = 0; i < 2; i++) {
        float32x4_t four = four_reals_neon(at + (wide ? 16 : 8) * i, wide);
        reals[2 * i] = vcvt_f64_f32(vget_low_f32(four));
        reals[2 * i + 1] = vcvt_high_f64_f32(four);
    }
}

// Adds one set of eight rows of a tile for up to four tokens.
INLINE void add_set_neon(const u8 *tile, format f, int half, int set, const activation *y,
                         i64 lane, i64 columns, int tokens, dots_function *product,
                         float64x2_t *total) {
    const u8 *scales = tile + quant_bytes(f) + set * set_bytes(f) + scale_bytes(f) / 2 * half;
    float64x2_t d[4], m[4];
    int32x4_t dots[8];
    double sums[4];
    eight_reals_neon(scales, f.wide, d);
    if (f.offset)
        for (int i = 0; i < 4; i++) m[i] = vmulq_n_f64(d[i], -(double)f.offset);
    else
        eight_reals_neon(scales + scale_bytes(f), f.wide, m);
    for (int t = 0; t < tokens; t++)
        sums[t] = f.group == GROUP ? y->sums[(lane + t * columns) / GROUP]
                                   : y->halves[(lane + t * columns) / 16];
    product(tile + 32 * half, f.nibbles, 4 * set, f.group / 4, y, lane, columns, tokens, sums, dots);
    for (int t = 0; t < tokens; t++)
        for (int i = 0; i < 4; i++) {
            int32x4_t dot = dots[2 * t + i / 2];
            int64x2_t two = i % 2 ? vmovl_high_s32(dot) : vmovl_s32(vget_low_s32(dot));
            float64x2_t sum = vfmaq_f64(total[4 * t + i], d[i], vcvtq_f64_s64(two));
            total[4 * t + i] = vfmaq_n_f64(sum, m[i], sums[t]);
        }
}

// Adds eight rows of a tile of F16: 11 bits times 15.
INLINE void add_halves_neon(const u8 *tile, int half, const i16 *lanes, i64 columns, int tokens,
                            float64x2_t *total) {
    for (int k = 0; k < GROUP; k++) {
        float64x2_t weights[4];
        eight_reals_neon(tile + 2 * (TILE_ROWS * k + 8 * half), 0, weights);
        for (int t = 0; t < tokens; t++)
            for (int i = 0; i < 4; i++)
                total[4 * t + i] =
                    vfmaq_n_f64(total[4 * t + i], weights[i], (double)lanes[t * columns + k]);
    }
}

// A tile of a format whose fields are constants of the caller against one token or four.
INLINE void rows_neon(const u8 *tile, format f, const activation *y, i64 columns, i64 first,
                      int tokens, dots_function *product, i64 *out) {
    for (int half = 0; half < 2; half++) {
        float64x2_t total[16];
        const u8 *at = tile;
        for (int i = 0; i < 4 * tokens; i++) total[i] = vdupq_n_f64(0);
        for (i64 g = 0; g < columns / GROUP; g++, at += tile_bytes(f)) {
            i64 lane = first * columns + GROUP * g;
            if (f.group == 1)
                add_halves_neon(at, half, y->lanes + lane, columns, tokens, total);
            else
                for (int set = 0; set < GROUP / f.group; set++)
                    add_set_neon(at, f, half, set, y, lane + 16 * set, columns, tokens, product,
                                 total);
        }
        for (int i = 0; i < 4 * tokens; i++) {
            int64x2_t two = vcvtq_s64_f64(vmulq_n_f64(total[i], 0x1p24));
            vst1q_s64(out + TILE_ROWS * (i / 4) + 8 * half + i % 4 * 2, two);
        }
    }
}

INLINE void all_rows_neon(const u8 *tile, format f, const activation *y, i64 columns, i64 tokens,
                          dots_function *product, i64 *out) {
    i64 t = 0;
    for (; t + 4 <= tokens; t += 4)
        rows_neon(tile, f, y, columns, t, 4, product, out + t * TILE_ROWS);
    for (; t < tokens; t++) rows_neon(tile, f, y, columns, t, 1, product, out + t * TILE_ROWS);
}

INLINE void choose_rows_neon(const matrix *m, const u8 *tile, const activation *y, i64 tokens,
                             dots_function *product, i64 *out) {
    i64 columns = m->columns;
    switch (m->kind) { // the common formats apart: constants decide inside the loop
    case Q4_1: all_rows_neon(tile, format_of(Q4_1), y, columns, tokens, product, out); break;
    case Q4_0: all_rows_neon(tile, format_of(Q4_0), y, columns, tokens, product, out); break;
    case Q8_0: all_rows_neon(tile, format_of(Q8_0), y, columns, tokens, product, out); break;
    case Q4_K: all_rows_neon(tile, format_of(Q4_K), y, columns, tokens, product, out); break;
    case Q6_K: all_rows_neon(tile, format_of(Q6_K), y, columns, tokens, product, out); break;
    default: all_rows_neon(tile, format_of(m->kind), y, columns, tokens, product, out);
    }
}

static void tile_neon(const matrix *m, const u8 *tile, const activation *y, i64 tokens,
                      u8 *unpacked, i64 *out) {
    (void)unpacked;
    choose_rows_neon(m, tile, y, tokens, dots_neon, out);
}

#if HAS_SDOT
TARGET_SDOT static void tile_sdot(const matrix *m, const u8 *tile, const activation *y, i64 tokens,
                                  u8 *unpacked, i64 *out) {
    (void)unpacked;
    choose_rows_neon(m, tile, y, tokens, dots_sdot, out);
}
#endif

// The tile product of this machine.
static tile_function *choose_tile_neon(void) {
#if HAS_SDOT && defined(__linux__)
    if (getauxval(AT_HWCAP) >> 20 & 1) return tile_sdot; // HWCAP_ASIMDDP
#elif HAS_SDOT && defined(__APPLE__)
    return tile_sdot; // every Mac of this architecture has it
#endif
    return tile_neon;
}

// As score_keys: two lanes of four keys a step, 2 * 32,767^2 fits int32, sums are int64.
static void score_keys_neon(const i16 *q, const i16 *keys, i32 count, i32 size, i64 *scores) {
    for (i32 block = 0; block * 16 < count; block++) {
        const i16 *k = keys + (i64)block * 16 * size;
        int64x2_t sums[8];
        for (int i = 0; i < 8; i++) sums[i] = vdupq_n_s64(0);
        for (i32 i = 0; i < size; i += 2, k += 32)
            for (int j = 0; j < 4; j++) {
                int16x4x2_t lanes = vld2_s16(k + 8 * j);
                int32x4_t product = vmull_n_s16(lanes.val[0], q[i]);
                product = vmlal_n_s16(product, lanes.val[1], q[i + 1]);
                sums[2 * j] = vaddw_s32(sums[2 * j], vget_low_s32(product));
                sums[2 * j + 1] = vaddw_s32(sums[2 * j + 1], vget_high_s32(product));
            }
        for (int i = 0; i < 8; i++) vst1q_s64(scores + 16 * block + 2 * i, sums[i]);
    }
}

// Four times `fours` lanes, from `values` on, of mix_values.
INLINE void mix_some_neon(const i32 *p, const i16 *values, i32 count, i32 size, int fours,
                          i64 *sums) {
    int64x2_t total[8];
    for (int i = 0; i < 2 * fours; i++) total[i] = vdupq_n_s64(0);
    for (i32 begin = 0; begin < count; begin += 128) {
        i32 end = begin + 128 < count ? begin + 128 : count;
        int32x4_t upper[4], lower[4];
        for (int i = 0; i < fours; i++) upper[i] = lower[i] = vdupq_n_s32(0);
        for (i32 key = begin; key < end; key += 2) {
            i16 high[2] = {(i16)(p[key] >> 8), (i16)(p[key + 1] >> 8)};
            i16 low[2] = {(i16)(p[key] & 255), (i16)(p[key + 1] & 255)};
            const i16 *v = values + (i64)key * size;
            for (int i = 0; i < fours; i++) {
                int16x4x2_t two = vld2_s16(v + 8 * i);
                upper[i] = vmlal_n_s16(vmlal_n_s16(upper[i], two.val[0], high[0]), two.val[1], high[1]);
                lower[i] = vmlal_n_s16(vmlal_n_s16(lower[i], two.val[0], low[0]), two.val[1], low[1]);
            }
        }
        for (int i = 0; i < fours; i++) {
            int64x2_t first = vshll_n_s32(vget_low_s32(upper[i]), 8);
            int64x2_t second = vshll_n_s32(vget_high_s32(upper[i]), 8);
            first = vaddw_s32(first, vget_low_s32(lower[i]));
            second = vaddw_s32(second, vget_high_s32(lower[i]));
            total[2 * i] = vaddq_s64(total[2 * i], first);
            total[2 * i + 1] = vaddq_s64(total[2 * i + 1], second);
        }
    }
    for (int i = 0; i < 2 * fours; i++) vst1q_s64(sums + 2 * i, total[i]);
}

// As mix_values; p is split in bytes, int32 sums hold for 128 keys. p[count] = 0.
static void mix_values_neon(const i32 *p, const i16 *values, i32 count, i32 size, i64 *sums) {
    i32 lane = 0;
    for (; lane + 16 <= size; lane += 16)
        mix_some_neon(p, values + 2 * lane, count, size, 4, sums + lane);
    for (; lane < size; lane += 4)
        mix_some_neon(p, values + 2 * lane, count, size, 1, sums + lane);
}
