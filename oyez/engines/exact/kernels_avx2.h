// Tile products and attention for AVX2: one ymm holds 8 rows.
//
// Dots of a tile's group are int32: 32 * 255 * 2^14 < 2^28. They are converted to float64 and summed
// with the group's scale and minimum by FMA, exactly (see kernels.h), in units of 2^-24; scales are
// kept as their real values, so the last step multiplies by 2^24. One token's products with 4-bit
// rows go by bytes and one reading of the tile; from four tokens on a tile is unpacked first, as
// pairs of columns of 16 bits, and four tokens share what is loaded.

#define UNITS 16777216.0
#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif
// Ends a sum here: else gcc makes a tree of many, for which there are not registers enough.
#define SETTLE(sum) __asm__("" : "+x"(sum))

TARGET_AVX2 static inline __m256i load256(const void *at) {
    return _mm256_loadu_si256((const __m256i *)at);
}

TARGET_AVX2 static inline __m256i word256(const void *at) {
    i32 word;
    memcpy(&word, at, sizeof word);
    return _mm256_set1_epi32(word);
}

// Adds the products of 4 columns of 16 rows with a token's bytes. The sums of eight such pairs of
// products of 15 * 128 stay below 2^15; `sums` has those of the first eight rows, then the others.
TARGET_AVX2 static inline void add_nibbles256(__m256i first, __m256i second, const i8 *lanes,
                                              __m256i *sums) {
    __m256i four = word256(lanes);
    sums[0] = _mm256_add_epi16(sums[0], _mm256_maddubs_epi16(first, four));
    sums[1] = _mm256_add_epi16(sums[1], _mm256_maddubs_epi16(second, four));
}

// Dots of 16 rows of a 4-bit tile with one token's high and low bytes.
TARGET_AVX2 static inline void dot_nibbles256(const u8 *quants, const i8 *high, const i8 *low,
                                              __m256i *dot) {
    const __m256i nibble = _mm256_set1_epi8(15), one = _mm256_set1_epi16(1);
    __m256i upper[2], lower[2];
    upper[0] = upper[1] = lower[0] = lower[1] = _mm256_setzero_si256();
    UNROLL for (int c = 0; c < 4; c++) {
        __m256i first = load256(quants + 64 * c), second = load256(quants + 64 * c + 32);
        __m256i columns[4] = {_mm256_and_si256(first, nibble), _mm256_and_si256(second, nibble),
                              _mm256_and_si256(_mm256_srli_epi16(first, 4), nibble),
                              _mm256_and_si256(_mm256_srli_epi16(second, 4), nibble)};
        UNROLL for (int part = 0; part < 2; part++) {
            int at = 4 * c + 16 * part;
            add_nibbles256(columns[2 * part], columns[2 * part + 1], high + at, upper);
            add_nibbles256(columns[2 * part], columns[2 * part + 1], low + at, lower);
        }
        UNROLL for (int half = 0; half < 2; half++) {
            SETTLE(upper[half]);
            SETTLE(lower[half]);
        }
    }
    UNROLL for (int half = 0; half < 2; half++)
        dot[half] = _mm256_add_epi32(_mm256_slli_epi32(_mm256_madd_epi16(upper[half], one), 8),
                                     _mm256_madd_epi16(lower[half], one));
}

// Four columns of eight rows as 16-bit lanes: two columns, then the other two.
TARGET_AVX2 static inline void widen_columns256(__m256i bytes, __m256i *pairs) {
    const __m256i first = _mm256_set1_epi64x((i64)0x8005800480018000),
                  next = _mm256_set1_epi64x((i64)0x8007800680038002);
    const __m256i row = _mm256_set_epi64x(0x0008000800080008, 0, 0x0008000800080008, 0);
    pairs[0] = _mm256_shuffle_epi8(bytes, _mm256_add_epi8(first, row));
    pairs[1] = _mm256_shuffle_epi8(bytes, _mm256_add_epi8(next, row));
}

// Dots of 16 rows of an 8-bit tile, whose bytes are widened: maddubs would saturate.
TARGET_AVX2 static inline void dot_bytes256(const u8 *quants, const i16 *lanes, int chunks,
                                            __m256i *dot) {
    dot[0] = dot[1] = _mm256_setzero_si256();
    for (int c = 0; c < chunks; c++) {
        __m256i early = word256(lanes + 4 * c), late = word256(lanes + 4 * c + 2);
        UNROLL for (int half = 0; half < 2; half++) {
            __m256i pairs[2];
            widen_columns256(load256(quants + 64 * c + 32 * half), pairs);
            dot[half] = _mm256_add_epi32(dot[half], _mm256_madd_epi16(pairs[0], early));
            dot[half] = _mm256_add_epi32(dot[half], _mm256_madd_epi16(pairs[1], late));
            SETTLE(dot[half]);
        }
    }
}

TARGET_AVX2 static inline __m256 eight_reals256(const u8 *at, int wide) {
    return wide ? _mm256_loadu_ps((const float *)at)
                : _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)at));
}

// A set's 16 scales, then its 16 minima, as float32.
TARGET_AVX2 static inline void scales256(const u8 *at, format f, __m256 *scales) {
    UNROLL for (int half = 0; half < 2; half++) {
        scales[half] = eight_reals256(at + scale_bytes(f) / 2 * half, f.wide);
        scales[2 + half] =
            f.offset ? _mm256_mul_ps(scales[half], _mm256_set1_ps(-(float)f.offset))
                     : eight_reals256(at + scale_bytes(f) + scale_bytes(f) / 2 * half, f.wide);
    }
}

TARGET_AVX2 static inline void widen_reals256(__m256 real, __m256d *wide) {
    wide[0] = _mm256_cvtps_pd(_mm256_castps256_ps128(real));
    wide[1] = _mm256_cvtps_pd(_mm256_extractf128_ps(real, 1));
}

// Adds the dots of 16 rows with one token, whose sum of lanes is given, to its totals.
TARGET_AVX2 static inline void add_dots256(const __m256d *d, const __m256d *m, const __m256i *dot,
                                           double sum, __m256d *total) {
    __m256d all = _mm256_set1_pd(sum);
    UNROLL for (int half = 0; half < 2; half++) {
        __m256d first = _mm256_cvtepi32_pd(_mm256_castsi256_si128(dot[half]));
        __m256d second = _mm256_cvtepi32_pd(_mm256_extracti128_si256(dot[half], 1));
        __m256d *t = total + 2 * half;
        t[0] = _mm256_fmadd_pd(m[2 * half], all, _mm256_fmadd_pd(d[2 * half], first, t[0]));
        t[1] = _mm256_fmadd_pd(m[2 * half + 1], all, _mm256_fmadd_pd(d[2 * half + 1], second, t[1]));
    }
}

// Integers below 2^53 from float64, which AVX2 has no instruction for: the floor of x / 2^32, and
// what is left, each as the low bits of a number that adding a power of two fixed the place of.
TARGET_AVX2 static inline __m256i integers256(__m256d x) {
    __m256d high = _mm256_floor_pd(_mm256_mul_pd(x, _mm256_set1_pd(0x1p-32)));
    __m256d low = _mm256_fnmadd_pd(high, _mm256_set1_pd(0x1p32), x);
    __m256i upper = _mm256_castpd_si256(_mm256_add_pd(high, _mm256_set1_pd(0x1.8p52)));
    __m256i lower = _mm256_castpd_si256(_mm256_add_pd(low, _mm256_set1_pd(0x1p52)));
    return _mm256_blend_epi32(lower, _mm256_slli_epi64(upper, 32), 0xaa);
}

TARGET_AVX2 static inline __attribute__((always_inline)) void
store256(const __m256d *total, int tokens, i64 *out) {
    UNROLL for (int t = 0; t < tokens; t++)
        UNROLL for (int i = 4 * t; i < 4 * t + 4; i++)
            _mm256_storeu_si256((__m256i *)(out + 4 * i),
                                integers256(_mm256_mul_pd(total[i], _mm256_set1_pd(UNITS))));
}

// One token: read the tile once, unpacking as it comes, prefetching ahead.
TARGET_AVX2 static inline __attribute__((always_inline)) void
stream256(const u8 *tile, format f, const activation *y, i64 columns, i64 token, i64 *out) {
    __m256d total[4];
    i64 size = tile_bytes(f);
    UNROLL for (int i = 0; i < 4; i++) total[i] = _mm256_setzero_pd();
    for (i64 g = 0; g < columns / GROUP; g++, tile += size) {
        i64 lane = token * columns + GROUP * g;
        for (i64 line = 0; line < size; line += 64)
            _mm_prefetch((const char *)tile + 8 * size + line, _MM_HINT_T0);
        for (int set = 0; set < GROUP / f.group; set++) {
            __m256 real[4];
            __m256d d[4], m[4];
            __m256i dot[2];
            scales256(tile + quant_bytes(f) + set * set_bytes(f), f, real);
            UNROLL for (int half = 0; half < 2; half++) {
                widen_reals256(real[half], d + 2 * half);
                widen_reals256(real[2 + half], m + 2 * half);
            }
            if (f.nibbles)
                dot_nibbles256(tile, y->high + lane, y->low + lane, dot);
            else
                dot_bytes256(tile + 256 * set, y->lanes + lane + 16 * set, f.group / 4, dot);
            double sum = f.group == 16 ? y->halves[lane / 16 + set] : y->sums[lane / GROUP];
            add_dots256(d, m, dot, sum, total);
        }
    }
    store256(total, 1, out);
}

// Puts a tile's group as 16 pairs of columns of 16-bit quants of 16 rows, then each set's scales
// and minima as float32.
TARGET_AVX2 static inline void unpack256(const u8 *tile, format f, u8 *unpacked) {
    const __m256i nibble = _mm256_set1_epi8(15);
    for (int c = 0; c < 8; c++)
        UNROLL for (int half = 0; half < 2; half++) {
            __m256i bytes = load256(tile + 64 * (f.nibbles ? c % 4 : c) + 32 * half), pairs[2];
            if (f.nibbles)
                bytes = _mm256_and_si256(c < 4 ? bytes : _mm256_srli_epi16(bytes, 4), nibble);
            widen_columns256(bytes, pairs);
            UNROLL for (int i = 0; i < 2; i++)
                _mm256_store_si256((__m256i *)(unpacked + 128 * c + 64 * i + 32 * half), pairs[i]);
        }
    for (int set = 0; set < GROUP / f.group; set++)
        scales256(tile + quant_bytes(f) + set * set_bytes(f), f,
                  (__m256 *)(unpacked + 1024 + 128 * set));
}

// Adds the products of `count` pairs of columns of 16 rows with those of each token.
TARGET_AVX2 static inline __attribute__((always_inline)) void
add_pairs256(const u8 *unpacked, int count, const i16 *lanes, i64 columns, int tokens,
             __m256i *dot) {
    for (int i = 0; i < count; i++) {
        __m256i first = _mm256_load_si256((const __m256i *)(unpacked + 64 * i));
        __m256i second = _mm256_load_si256((const __m256i *)(unpacked + 64 * i + 32));
        UNROLL for (int t = 0; t < tokens; t++) {
            __m256i two = word256(lanes + t * columns + 2 * i);
            dot[2 * t] = _mm256_add_epi32(dot[2 * t], _mm256_madd_epi16(first, two));
            dot[2 * t + 1] = _mm256_add_epi32(dot[2 * t + 1], _mm256_madd_epi16(second, two));
        }
    }
}

// Four tokens or one (a constant of the caller) against a tile that is unpacked.
TARGET_AVX2 static inline __attribute__((always_inline)) void
reuse256(const u8 *unpacked, int sets, const activation *y, i64 columns, i64 first, int tokens,
         i64 *out) {
    __m256d total[16];
    UNROLL for (int t = 0; t < tokens; t++)
        UNROLL for (int i = 0; i < 4; i++) total[4 * t + i] = _mm256_setzero_pd();
    for (i64 g = 0; g < columns / GROUP; g++, unpacked += UNPACKED) {
        i64 lane = first * columns + GROUP * g;
        for (int set = 0; set < sets; set++) {
            const __m256 *real = (const __m256 *)(unpacked + 1024 + 128 * set);
            const double *sums = sets == 2 ? y->halves + lane / 16 + set : y->sums + lane / GROUP;
            __m256d d[4], m[4];
            __m256i dot[8];
            UNROLL for (int i = 0; i < 2 * tokens; i++) dot[i] = _mm256_setzero_si256();
            add_pairs256(unpacked + 512 * set, 16 / sets, y->lanes + lane + 16 * set, columns,
                         tokens, dot);
            UNROLL for (int half = 0; half < 2; half++) {
                widen_reals256(real[half], d + 2 * half);
                widen_reals256(real[2 + half], m + 2 * half);
            }
            UNROLL for (int t = 0; t < tokens; t++)
                add_dots256(d, m, dot + 2 * t, sums[t * columns * sets / GROUP], total + 4 * t);
        }
    }
    store256(total, tokens, out);
}

// One or two tokens (a constant of the caller) against F16 weights: 11 bits times 15.
TARGET_AVX2 static inline __attribute__((always_inline)) void
halves256(const u8 *tile, const activation *y, i64 columns, i64 first, int tokens, i64 *out) {
    __m256d total[8];
    UNROLL for (int i = 0; i < 4 * tokens; i++) total[i] = _mm256_setzero_pd();
    const i16 *lanes = y->lanes + first * columns;
    for (i64 k = 0; k < columns; k++, tile += 2 * TILE_ROWS) {
        __m256d weights[4];
        widen_reals256(eight_reals256(tile, 0), weights);
        widen_reals256(eight_reals256(tile + 16, 0), weights + 2);
        UNROLL for (int t = 0; t < tokens; t++) {
            __m256d lane = _mm256_set1_pd((double)lanes[t * columns + k]);
            UNROLL for (int i = 0; i < 4; i++)
                total[4 * t + i] = _mm256_fmadd_pd(weights[i], lane, total[4 * t + i]);
        }
    }
    store256(total, tokens, out);
}

// A tile of a format whose fields are constants of the caller against any number of tokens.
TARGET_AVX2 static inline __attribute__((always_inline)) void
rows256(const u8 *tile, format f, const activation *y, i64 columns, i64 tokens, u8 *unpacked,
        i64 *out) {
    i64 t = 0;
    if (f.group == 1) {
        for (; t + 2 <= tokens; t += 2) halves256(tile, y, columns, t, 2, out + t * TILE_ROWS);
        for (; t < tokens; t++) halves256(tile, y, columns, t, 1, out + t * TILE_ROWS);
        return;
    }
    if (tokens < 4) {
        for (; t < tokens; t++) stream256(tile, f, y, columns, t, out + t * TILE_ROWS);
        return;
    }
    for (i64 g = 0; g < columns / GROUP; g++, tile += tile_bytes(f))
        unpack256(tile, f, unpacked + UNPACKED * g);
    int sets = GROUP / f.group;
    for (; t + 4 <= tokens; t += 4)
        reuse256(unpacked, sets, y, columns, t, 4, out + t * TILE_ROWS);
    for (; t < tokens; t++) reuse256(unpacked, sets, y, columns, t, 1, out + t * TILE_ROWS);
}

TARGET_AVX2 static void tile_avx2(const matrix *m, const u8 *tile, const activation *y, i64 tokens,
                                  u8 *unpacked, i64 *out) {
    i64 columns = m->columns;
    switch (m->kind) { // the common formats apart: constants decide inside the loop
    case Q4_1: rows256(tile, format_of(Q4_1), y, columns, tokens, unpacked, out); break;
    case Q4_0: rows256(tile, format_of(Q4_0), y, columns, tokens, unpacked, out); break;
    case Q8_0: rows256(tile, format_of(Q8_0), y, columns, tokens, unpacked, out); break;
    case Q4_K: rows256(tile, format_of(Q4_K), y, columns, tokens, unpacked, out); break;
    case Q6_K: rows256(tile, format_of(Q6_K), y, columns, tokens, unpacked, out); break;
    case F16: rows256(tile, format_of(F16), y, columns, tokens, unpacked, out); break;
    default: rows256(tile, format_of(m->kind), y, columns, tokens, unpacked, out);
    }
}

// Four lanes of 2^-z in Q30, z >= 0 below 2^22 in Q16: as exponential in kernels_lanes.h. Products
// take the low 32 bits of a lane as signed, so a logical shift by 16 serves.
TARGET_AVX2 static inline __m256i exponential256(__m256i z, const i64 *c) {
    __m256i fraction = _mm256_and_si256(z, _mm256_set1_epi64x(0xffff));
    __m256i result = _mm256_set1_epi64x(c[3]);
    UNROLL for (int i = 2; i >= 0; i--)
        result = _mm256_add_epi64(_mm256_set1_epi64x(c[i]),
                                  _mm256_srli_epi64(_mm256_mul_epi32(fraction, result), 16));
    result = _mm256_and_si256(result, _mm256_set1_epi64x(0xffffffff));
    return _mm256_srlv_epi64(result, _mm256_srli_epi64(z, 16)); // 0 from 31 on: it has 30 bits
}

// The lanes of a vector that are below 2^31, as float64.
TARGET_AVX2 static inline __m256d reals256(__m256i lanes) {
    const __m256i even = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
    return _mm256_cvtepi32_pd(_mm256_castsi256_si128(_mm256_permutevar8x32_epi32(lanes, even)));
}

// As gate, four lanes a step.
TARGET_AVX2 static void gate_quads(const i32 *restrict g, const i32 *restrict u, i32 count,
                                   const i64 *exponential, i64 *restrict t) {
    const __m256i most = _mm256_set1_epi64x(1 << 21), half = _mm256_set1_epi64x(1 << 15);
    const __m256i log2e = _mm256_set1_epi64x(LOG2E_Q16), one = _mm256_set1_epi64x(ONE_Q30);
    const __m256i zero = _mm256_setzero_si256();
    i32 i = 0;
    for (; i + 4 <= count; i += 4) {
        __m256i lane = _mm256_cvtepi32_epi64(_mm_loadu_si128((const __m128i *)(g + i)));
        __m256i other = _mm256_cvtepi32_epi64(_mm_loadu_si128((const __m128i *)(u + i)));
        __m256i negative = _mm256_cmpgt_epi64(zero, lane);
        __m256i magnitude = _mm256_sub_epi64(_mm256_xor_si256(lane, negative), negative);
        magnitude = _mm256_min_epu32(magnitude, most); // the upper halves are 0
        __m256i z = _mm256_add_epi64(_mm256_mul_epi32(magnitude, log2e), half);
        __m256i e = exponential256(_mm256_srli_epi64(z, 16), exponential);
        __m256d numerator = reals256(_mm256_blendv_epi8(one, e, negative));
        __m256d quotient = _mm256_div_pd(_mm256_mul_pd(numerator, _mm256_set1_pd(65536)),
                                         reals256(_mm256_add_epi64(one, e)));
        __m256i sigmoid = _mm256_cvtepi32_epi64(_mm256_cvttpd_epi32(quotient));
        __m256i product = _mm256_add_epi64(_mm256_mul_epi32(lane, sigmoid), half);
        product = _mm256_mul_epi32(_mm256_srli_epi64(product, 16), other);
        _mm256_storeu_si256((__m256i *)(t + i), product);
    }
    gate_portable(g + i, u + i, count - i, exponential, t + i);
}

TARGET_AVX2 static inline __m256i pair256(const i16 *at) {
    i32 word;
    memcpy(&word, at, sizeof word);
    return _mm256_set1_epi32(word);
}

TARGET_AVX2 static inline __m256i widen256(__m128i lanes) { return _mm256_cvtepi32_epi64(lanes); }

// As score_keys, two lanes of eight keys a step: 2 * 32,767^2 fits int32, sums are int64.
TARGET_AVX2 static void score_keys_madd(const i16 *q, const i16 *keys, i32 count, i32 size,
                                        i64 *scores) {
    for (i32 block = 0; block * 16 < count; block++) {
        const i16 *k = keys + (i64)block * 16 * size;
        __m256i sums[4];
        UNROLL for (int i = 0; i < 4; i++) sums[i] = _mm256_setzero_si256();
        for (i32 i = 0; i < size; i += 2, k += 32) {
            __m256i pair = pair256(q + i);
            UNROLL for (int j = 0; j < 2; j++) {
                __m256i lanes = _mm256_loadu_si256((const __m256i *)(k + 16 * j));
                __m256i product = _mm256_madd_epi16(lanes, pair);
                __m256i first = widen256(_mm256_castsi256_si128(product));
                __m256i second = widen256(_mm256_extracti128_si256(product, 1));
                sums[2 * j] = _mm256_add_epi64(sums[2 * j], first);
                sums[2 * j + 1] = _mm256_add_epi64(sums[2 * j + 1], second);
            }
        }
        UNROLL for (int i = 0; i < 4; i++)
            _mm256_storeu_si256((__m256i *)(scores + 16 * block + 4 * i), sums[i]);
    }
}

// As mix_values; p is split in bytes, int32 sums hold for 128 keys. size % 16 == 0, p[count] = 0.
TARGET_AVX2 static void mix_values_madd(const i32 *p, const i16 *values, i32 count, i32 size,
                                        i64 *sums) {
    memset(sums, 0, sizeof(i64) * (size_t)size);
    for (i32 begin = 0; begin < count; begin += 128) {
        i32 end = begin + 128 < count ? begin + 128 : count;
        for (i32 lane = 0; lane < size; lane += 16) {
            __m256i upper[2], lower[2];
            upper[0] = upper[1] = lower[0] = lower[1] = _mm256_setzero_si256();
            for (i32 key = begin; key < end; key += 2) {
                i32 a = p[key], b = p[key + 1];
                __m256i high = _mm256_set1_epi32((a >> 8) | (b >> 8) << 16);
                __m256i low = _mm256_set1_epi32((a & 255) | (b & 255) << 16);
                const i16 *v = values + (i64)key * size + 2 * lane;
                UNROLL for (int i = 0; i < 2; i++) {
                    __m256i lanes = _mm256_loadu_si256((const __m256i *)(v + 16 * i));
                    upper[i] = _mm256_add_epi32(upper[i], _mm256_madd_epi16(lanes, high));
                    lower[i] = _mm256_add_epi32(lower[i], _mm256_madd_epi16(lanes, low));
                }
            }
            i32 parts[2][16];
            UNROLL for (int i = 0; i < 2; i++) {
                _mm256_storeu_si256((__m256i *)(parts[0] + 8 * i), upper[i]);
                _mm256_storeu_si256((__m256i *)(parts[1] + 8 * i), lower[i]);
            }
            for (int i = 0; i < 16; i++)
                sums[lane + i] += 256 * (i64)parts[0][i] + parts[1][i];
        }
    }
}
