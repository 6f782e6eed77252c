// Tile products and attention for AVX-512 VNNI: one zmm holds 16 rows. Included after kernels_avx2.h.
//
// A tile's dot products with the high and low bytes of the activations are int32 and cannot
// overflow: 32 * 255 * 128 < 2^20 a group. They are joined, then summed as in kernels_avx2.h.

// Splits a tile's quants into eight vectors of 16 rows by 4 columns.
TARGET_AVX512 static inline void unpack512(const u8 *tile, int nibbles, __m512i *quants) {
    const __m512i nibble = _mm512_set1_epi8(15);
    UNROLL for (int j = 0; j < 4; j++) {
        __m512i bytes = _mm512_loadu_si512(tile + 64 * j);
        if (nibbles) {
            quants[j] = _mm512_and_si512(bytes, nibble);
            quants[j + 4] = _mm512_and_si512(_mm512_srli_epi16(bytes, 4), nibble);
        } else {
            quants[j] = bytes;
            quants[j + 4] = _mm512_loadu_si512(tile + 64 * (j + 4));
        }
    }
}

TARGET_AVX512 static inline __m512 sixteen_reals512(const u8 *at, int wide) {
    return wide ? _mm512_loadu_ps(at) : _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)at));
}

// A set's scales in [0] and [1], minima in [2] and [3], eight rows each, as real numbers.
TARGET_AVX512 static inline void scales512(const u8 *at, format f, __m512d *scales) {
    __m512 d = sixteen_reals512(at, f.wide);
    __m512 m = f.offset ? _mm512_mul_ps(d, _mm512_set1_ps(-(float)f.offset))
                        : sixteen_reals512(at + scale_bytes(f), f.wide);
    scales[0] = _mm512_cvtps_pd(_mm512_castps512_ps256(d));
    scales[1] = _mm512_cvtps_pd(_mm512_extractf32x8_ps(d, 1));
    scales[2] = _mm512_cvtps_pd(_mm512_castps512_ps256(m));
    scales[3] = _mm512_cvtps_pd(_mm512_extractf32x8_ps(m, 1));
}

TARGET_AVX512 static inline __m512i four_bytes512(const i8 *at) {
    i32 word;
    memcpy(&word, at, sizeof word);
    return _mm512_set1_epi32(word);
}

// Adds one set of `chunks` times 4 columns of `tokens` tokens (constants of the caller) to sums.
TARGET_AVX512 static inline __attribute__((always_inline)) void
add_set512(const __m512i *quants, int chunks, const __m512d *scales, const i8 *high, const i8 *low,
           i64 columns, const double *sums, i64 sets, int tokens, __m512d *total) {
    __m512i upper[4], lower[4];
    UNROLL for (int t = 0; t < tokens; t++) upper[t] = lower[t] = _mm512_setzero_si512();
    UNROLL for (int c = 0; c < chunks; c++)
        UNROLL for (int t = 0; t < tokens; t++) {
            upper[t] = _mm512_dpbusd_epi32(upper[t], quants[c],
                                           four_bytes512(high + t * columns + 4 * c));
            lower[t] = _mm512_dpbusd_epi32(lower[t], quants[c],
                                           four_bytes512(low + t * columns + 4 * c));
        }
    UNROLL for (int t = 0; t < tokens; t++) {
        __m512i dot = _mm512_add_epi32(_mm512_slli_epi32(upper[t], 8), lower[t]);
        __m512d first = _mm512_cvtepi32_pd(_mm512_castsi512_si256(dot));
        __m512d second = _mm512_cvtepi32_pd(_mm512_extracti64x4_epi64(dot, 1));
        __m512d sum = _mm512_set1_pd(sums[t * sets]);
        total[2 * t] = _mm512_fmadd_pd(scales[0], first, total[2 * t]);
        total[2 * t] = _mm512_fmadd_pd(scales[2], sum, total[2 * t]);
        total[2 * t + 1] = _mm512_fmadd_pd(scales[1], second, total[2 * t + 1]);
        total[2 * t + 1] = _mm512_fmadd_pd(scales[3], sum, total[2 * t + 1]);
    }
}

// Adds tile g, of one set or two (a constant of the caller), for the tokens from `first` on.
TARGET_AVX512 static inline __attribute__((always_inline)) void
add_tile512(const __m512i *quants, int sets, const __m512d *scales, const activation *y,
            i64 columns, i64 g, i64 first, int tokens, __m512d *total) {
    i64 lane = first * columns + GROUP * g;
    const i8 *high = y->high + lane, *low = y->low + lane;
    if (sets == 1) {
        add_set512(quants, 8, scales, high, low, columns, y->sums + lane / GROUP, columns / GROUP,
                   tokens, total);
    } else {
        const double *sums = y->halves + lane / 16;
        add_set512(quants, 4, scales, high, low, columns, sums, columns / 16, tokens, total);
        add_set512(quants + 4, 4, scales + 4, high + 16, low + 16, columns, sums + 1, columns / 16,
                   tokens, total);
    }
}

TARGET_AVX512 static inline void store512(const __m512d *total, int tokens, i64 *out) {
    UNROLL for (int i = 0; i < 2 * tokens; i++) {
        __m512d units = _mm512_mul_pd(total[i], _mm512_set1_pd(UNITS));
        _mm512_storeu_si512(out + 8 * i, _mm512_cvtpd_epi64(units));
    }
}

// One to four tokens from `first` on: the tile is unpacked as it comes; where it is read for the
// first time, what follows is fetched ahead.
TARGET_AVX512 static inline __attribute__((always_inline)) void
stream512(const u8 *tile, format f, int sets, const activation *y, i64 columns, i64 first,
          int tokens, i64 *out) {
    __m512d total[8];
    i64 size = tile_bytes(f);
    UNROLL for (int i = 0; i < 2 * tokens; i++) total[i] = _mm512_setzero_pd();
    for (i64 g = 0; g < columns / GROUP; g++, tile += size) {
        __m512i quants[8];
        __m512d scales[8];
        if (first == 0)
            for (i64 line = 0; line < size; line += 64)
                _mm_prefetch((const char *)tile + 8 * size + line, _MM_HINT_T0);
        unpack512(tile, f.nibbles, quants);
        for (int set = 0; set < sets; set++)
            scales512(tile + quant_bytes(f) + set * set_bytes(f), f, scales + 4 * set);
        add_tile512(quants, sets, scales, y, columns, g, first, tokens, total);
    }
    store512(total, tokens, out + first * TILE_ROWS);
}

// One to four tokens against F16 weights, in float64: 11 bits times 15.
TARGET_AVX512 static inline __attribute__((always_inline)) void
halves512(const u8 *tile, const activation *y, i64 columns, i64 first, int tokens, i64 *out) {
    __m512d total[8];
    UNROLL for (int i = 0; i < 2 * tokens; i++) total[i] = _mm512_setzero_pd();
    const i16 *lanes = y->lanes + first * columns;
    for (i64 k = 0; k < columns; k++, tile += 2 * TILE_ROWS) {
        __m512 real = sixteen_reals512(tile, 0);
        __m512d upper = _mm512_cvtps_pd(_mm512_castps512_ps256(real));
        __m512d lower = _mm512_cvtps_pd(_mm512_extractf32x8_ps(real, 1));
        UNROLL for (int t = 0; t < tokens; t++) {
            __m512d lane = _mm512_set1_pd((double)lanes[t * columns + k]);
            total[2 * t] = _mm512_fmadd_pd(upper, lane, total[2 * t]);
            total[2 * t + 1] = _mm512_fmadd_pd(lower, lane, total[2 * t + 1]);
        }
    }
    store512(total, tokens, out);
}

// A tile of one set or two (a constant of the caller) against any number of tokens, four at a time.
// The tile lies in the first cache from the second reading on: unpacking it again costs less than
// reading it unpacked, which takes more than twice the room.
TARGET_AVX512 static inline __attribute__((always_inline)) void
quants512(const u8 *tile, format f, int sets, const activation *y, i64 columns, i64 tokens,
          i64 *out) {
    i64 t = 0;
    for (; t + 4 <= tokens; t += 4) stream512(tile, f, sets, y, columns, t, 4, out);
    if (tokens - t == 3) stream512(tile, f, sets, y, columns, t, 3, out);
    if (tokens - t == 2) stream512(tile, f, sets, y, columns, t, 2, out);
    if (tokens - t == 1) stream512(tile, f, sets, y, columns, t, 1, out);
}

TARGET_AVX512 static void tile_avx512(const matrix *m, const u8 *tile, const activation *y,
                                      i64 tokens, u8 *unpacked, i64 *out) {
    const format f = format_of(m->kind);
    i64 columns = m->columns, t = 0;
    (void)unpacked;
    if (f.group == GROUP) {
        quants512(tile, f, 1, y, columns, tokens, out);
    } else if (f.group == 16) {
        quants512(tile, f, 2, y, columns, tokens, out);
    } else {
        for (; t + 4 <= tokens; t += 4) halves512(tile, y, columns, t, 4, out + t * TILE_ROWS);
        for (; t < tokens; t++) halves512(tile, y, columns, t, 1, out + t * TILE_ROWS);
    }
}

// As exponential256, eight lanes.
TARGET_AVX512 static inline __m512i exponential512(__m512i z, const i64 *c) {
    __m512i fraction = _mm512_and_si512(z, _mm512_set1_epi64(0xffff));
    __m512i result = _mm512_set1_epi64(c[3]);
    UNROLL for (int i = 2; i >= 0; i--)
        result = _mm512_add_epi64(_mm512_set1_epi64(c[i]),
                                  _mm512_srli_epi64(_mm512_mul_epi32(fraction, result), 16));
    result = _mm512_and_si512(result, _mm512_set1_epi64(0xffffffff));
    return _mm512_srlv_epi64(result, _mm512_srli_epi64(z, 16)); // 0 from 31 on: it has 30 bits
}

// As gate, eight lanes a step; gcc does not vectorise the plain one.
TARGET_AVX512 static void gate_octets(const i32 *restrict g, const i32 *restrict u, i32 count,
                                      const i64 *exponential, i64 *restrict t) {
    const __m512i most = _mm512_set1_epi64(1 << 21), half = _mm512_set1_epi64(1 << 15);
    const __m512i log2e = _mm512_set1_epi64(LOG2E_Q16), one = _mm512_set1_epi64(ONE_Q30);
    i32 i = 0;
    for (; i + 8 <= count; i += 8) {
        __m512i lane = _mm512_cvtepi32_epi64(_mm256_loadu_si256((const __m256i *)(g + i)));
        __m512i other = _mm512_cvtepi32_epi64(_mm256_loadu_si256((const __m256i *)(u + i)));
        __m512i magnitude = _mm512_min_epu64(_mm512_abs_epi64(lane), most);
        __m512i z = _mm512_add_epi64(_mm512_mul_epi32(magnitude, log2e), half);
        __m512i e = exponential512(_mm512_srli_epi64(z, 16), exponential);
        __m512i numerator = _mm512_mask_mov_epi64(one, _mm512_movepi64_mask(lane), e);
        __m512d quotient =
            _mm512_div_pd(_mm512_cvtepi64_pd(_mm512_slli_epi64(numerator, 16)),
                          _mm512_cvtepi64_pd(_mm512_add_epi64(one, e)));
        __m512i product = _mm512_mul_epi32(lane, _mm512_cvttpd_epi64(quotient));
        product = _mm512_srli_epi64(_mm512_add_epi64(product, half), 16);
        _mm512_storeu_si512(t + i, _mm512_mul_epi32(product, other));
    }
    gate_portable(g + i, u + i, count - i, exponential, t + i);
}

// As divide, eight lanes a step.
TARGET_AVX512 static void divide_octets(const i64 *restrict sums, i32 count, i64 total,
                                        i64 *restrict out) {
    const __m512i half = _mm512_set1_epi64(total / 2);
    const __m512d divisor = _mm512_set1_pd((double)total);
    i32 i = 0;
    for (; i + 8 <= count; i += 8) {
        __m512i sum = _mm512_loadu_si512(sums + i);
        __m512i magnitude = _mm512_add_epi64(_mm512_slli_epi64(_mm512_abs_epi64(sum), 8), half);
        __m512i quotient =
            _mm512_cvttpd_epi64(_mm512_div_pd(_mm512_cvtepi64_pd(magnitude), divisor));
        quotient = _mm512_mask_sub_epi64(quotient, _mm512_movepi64_mask(sum),
                                         _mm512_setzero_si512(), quotient);
        _mm512_storeu_si512(out + i, quotient);
    }
    divide_portable(sums + i, count - i, total, out + i);
}

TARGET_AVX512 static inline __m512i pair512(const i16 *at) {
    i32 word;
    memcpy(&word, at, sizeof word);
    return _mm512_set1_epi32(word);
}

TARGET_AVX512 static inline __m512i join512(__m256i high, __m256i low) {
    return _mm512_add_epi64(_mm512_slli_epi64(_mm512_cvtepi32_epi64(high), 8),
                            _mm512_cvtepi32_epi64(low));
}

// As score_keys; q is split in bytes, so int32 sums hold to 256 lanes. size % 4 == 0.
TARGET_AVX512 static void score_keys_vnni(const i16 *q, const i16 *keys, i32 count, i32 size,
                                          i64 *scores) {
    i16 high[MAX_HEAD], low[MAX_HEAD];
    for (i32 i = 0; i < size; i++) {
        high[i] = q[i] >> 8;
        low[i] = q[i] & 255;
    }
    for (i32 block = 0; block * 16 < count; block++) {
        const i16 *k = keys + (i64)block * 16 * size;
        __m512i upper[2], lower[2];
        upper[0] = upper[1] = lower[0] = lower[1] = _mm512_setzero_si512();
        for (i32 i = 0; i < size; i += 4, k += 64)
            UNROLL for (int j = 0; j < 2; j++) {
                __m512i lanes = _mm512_loadu_si512(k + 32 * j);
                upper[j] = _mm512_dpwssd_epi32(upper[j], lanes, pair512(high + i + 2 * j));
                lower[j] = _mm512_dpwssd_epi32(lower[j], lanes, pair512(low + i + 2 * j));
            }
        __m512i h = _mm512_add_epi32(upper[0], upper[1]), l = _mm512_add_epi32(lower[0], lower[1]);
        _mm512_storeu_si512(scores + 16 * block,
                            join512(_mm512_castsi512_si256(h), _mm512_castsi512_si256(l)));
        _mm512_storeu_si512(scores + 16 * block + 8, join512(_mm512_extracti64x4_epi64(h, 1),
                                                             _mm512_extracti64x4_epi64(l, 1)));
    }
}

// As mix_values; p is split in bytes, int32 sums hold for 128 keys. size % 64 == 0, p[count] = 0.
TARGET_AVX512 static void mix_values_vnni(const i32 *p, const i16 *values, i32 count, i32 size,
                                          i64 *sums) {
    for (i32 lane = 0; lane < size; lane += 64) {
        __m512i total[8];
        UNROLL for (int i = 0; i < 8; i++) total[i] = _mm512_setzero_si512();
        for (i32 begin = 0; begin < count; begin += 128) {
            i32 end = begin + 128 < count ? begin + 128 : count;
            __m512i upper[4], lower[4];
            UNROLL for (int i = 0; i < 4; i++) upper[i] = lower[i] = _mm512_setzero_si512();
            for (i32 key = begin; key < end; key += 2) {
                i32 a = p[key], b = p[key + 1];
                __m512i high = _mm512_set1_epi32((a >> 8) | (b >> 8) << 16);
                __m512i low = _mm512_set1_epi32((a & 255) | (b & 255) << 16);
                const i16 *v = values + (i64)key * size + 2 * lane;
                UNROLL for (int i = 0; i < 4; i++) {
                    __m512i lanes = _mm512_loadu_si512(v + 32 * i);
                    upper[i] = _mm512_dpwssd_epi32(upper[i], lanes, high);
                    lower[i] = _mm512_dpwssd_epi32(lower[i], lanes, low);
                }
            }
            UNROLL for (int i = 0; i < 4; i++) {
                total[2 * i] = _mm512_add_epi64(
                    total[2 * i],
                    join512(_mm512_castsi512_si256(upper[i]), _mm512_castsi512_si256(lower[i])));
                total[2 * i + 1] =
                    _mm512_add_epi64(total[2 * i + 1], join512(_mm512_extracti64x4_epi64(upper[i], 1),
                                                               _mm512_extracti64x4_epi64(lower[i], 1)));
            }
        }
        UNROLL for (int i = 0; i < 8; i++) _mm512_storeu_si512(sums + lane + 8 * i, total[i]);
    }
}
