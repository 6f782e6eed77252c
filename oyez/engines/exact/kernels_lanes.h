// Ops on the lanes of one token, in plain C. Included once a path: NAME(x) is the function's name
// there and TARGET the instruction set it is compiled for, so that the compiler vectorises it.

// Sum of squares as two sums of 32-bit halves: exact for any int32 lanes.
TARGET static u128 NAME(sum_squares)(const i32 *x, i32 count) {
    u64 low = 0, high = 0;
    for (i32 i = 0; i < count; i++) {
        u64 square = (u64)((i64)x[i] * x[i]);
        low += square & 0xffffffffu;
        high += square >> 32;
    }
    return ((u128)high << 32) + low;
}

TARGET static void NAME(weigh)(const i32 *restrict x, const i32 *restrict weights, i64 inverse,
                               i32 count, i64 *restrict t) {
    for (i32 i = 0; i < count; i++) t[i] = (i64)x[i] * weights[i] * inverse;
}

TARGET static i64 NAME(largest)(const i64 *t, i32 count) {
    i64 largest = 0;
    for (i32 i = 0; i < count; i++) {
        i64 magnitude = t[i] < 0 ? -t[i] : t[i];
        largest = magnitude > largest ? magnitude : largest;
    }
    return largest;
}

// Shifts whole groups of lanes to 15 bits and splits them in bytes; -62 <= shift <= 62, nothing
// saturates. sums gets the sums of 32 lanes, halves those of 16.
TARGET static void NAME(split)(const i64 *restrict t, i32 count, i64 shift, i16 *restrict lanes,
                               i8 *restrict high, i8 *restrict low, double *restrict sums,
                               double *restrict halves) {
    i64 half = shift > 0 ? 1LL << (shift - 1) : 0;
    i64 right = shift > 0 ? shift : 0, factor = shift < 0 ? 1LL << -shift : 1;
    for (i32 j = 0; j < count; j++) {
        i32 y = (i32)(((t[j] + half) >> right) * factor);
        i32 upper = (y + 128) >> 8;
        lanes[j] = (i16)y;
        high[j] = (i8)upper;
        low[j] = (i8)(y - 256 * upper);
    }
    for (i32 group = 0; group < count / GROUP; group++) {
        i32 first = 0, second = 0;
        for (i32 j = 0; j < 16; j++) first += lanes[group * GROUP + j];
        for (i32 j = 16; j < 32; j++) second += lanes[group * GROUP + j];
        halves[2 * group] = first;
        halves[2 * group + 1] = second;
        sums[group] = first + second;
    }
}

TARGET static void NAME(round_tile)(const i64 *restrict sums, i64 shift, i64 limit,
                                    i32 *restrict out) {
    if (shift > 0 && shift < 63) {
        i64 half = 1LL << (shift - 1);
        for (int r = 0; r < TILE_ROWS; r++) {
            i64 value = (sums[r] + half) >> shift;
            value = value > limit ? limit : value;
            out[r] = (i32)(value < -limit ? -limit : value);
        }
    } else {
        for (int r = 0; r < TILE_ROWS; r++) out[r] = (i32)rounding_shift(sums[r], shift, limit);
    }
}

TARGET static void NAME(add_tile)(const i64 *restrict sums, i64 shift, i32 *restrict x) {
    if (shift > 0 && shift < 63) {
        i64 half = 1LL << (shift - 1);
        for (int r = 0; r < TILE_ROWS; r++) {
            i64 value = (sums[r] + half) >> shift;
            value = value > WIDE ? WIDE : value < -WIDE ? -WIDE : value;
            value += x[r];
            value = value > SAT32 ? SAT32 : value;
            x[r] = (i32)(value < -SAT32 ? -SAT32 : value);
        }
    } else {
        for (int r = 0; r < TILE_ROWS; r++)
            x[r] = (i32)clamp(x[r] + rounding_shift(sums[r], shift, WIDE), SAT32);
    }
}

TARGET static void NAME(rotate)(const i32 *restrict x, const i16 *restrict cosines,
                                const i16 *restrict sines, i32 pairs, i32 format,
                                i16 *restrict out) {
    i32 shift = ROPE + LANE - format;
    i64 half = 1LL << (shift - 1);
    for (i32 i = 0; i < pairs; i++) {
        i64 a = x[2 * i], b = x[2 * i + 1];
        i64 first = (a * cosines[i] - b * sines[i] + half) >> shift;
        i64 second = (a * sines[i] + b * cosines[i] + half) >> shift;
        out[2 * i] = (i16)clamp(first, SAT16);
        out[2 * i + 1] = (i16)clamp(second, SAT16);
    }
}

// 2^-z in Q30, z >= 0 in Q16; a macro so that the coefficients stay in registers.
#define EXPONENTIAL(result, z)                                                                     \
    do {                                                                                           \
        i64 fraction = (z)&0xffff, whole = (z) >> 16;                                              \
        result = c2 + ((fraction * c3) >> 16);                                                     \
        result = c1 + ((fraction * result) >> 16);                                                 \
        result = c0 + ((fraction * result) >> 16);                                                 \
        result >>= whole > 31 ? 31 : whole;                                                        \
        result = whole > 30 ? 0 : result;                                                          \
    } while (0)

// g * sigmoid(g) * u. The quotient has at most 17 bits and a divisor of 31, so float64 division
// and truncation give its exact floor.
TARGET static void NAME(gate)(const i32 *restrict g, const i32 *restrict u, i32 count,
                              const i64 *exponential, i64 *restrict t) {
    i64 c0 = exponential[0], c1 = exponential[1], c2 = exponential[2], c3 = exponential[3];
    for (i32 i = 0; i < count; i++) {
        i64 lane = g[i], magnitude = lane < 0 ? -lane : lane;
        magnitude = magnitude > (1 << 21) ? (1 << 21) : magnitude;
        i64 z = (magnitude * LOG2E_Q16 + (1 << 15)) >> 16, e;
        EXPONENTIAL(e, z);
        i64 numerator = lane >= 0 ? ONE_Q30 : e;
        i64 sigmoid = (i64)((double)(numerator << 16) / (double)(ONE_Q30 + e));
        t[i] = ((lane * sigmoid + (1 << 15)) >> 16) * u[i];
    }
}

// Turns products q . k into base-2 logarithms and returns the largest; 2 <= shift <= 32.
TARGET static i64 NAME(scale_scores)(i64 *scores, i32 count, i64 scale, i32 shift) {
    i64 largest = -SAT32, half = 1LL << (shift - 1);
    for (i32 j = 0; j < count; j++) {
        i64 z = (scores[j] * scale + half) >> shift;
        z = z > SAT32 ? SAT32 : z < -SAT32 ? -SAT32 : z;
        scores[j] = z;
        largest = z > largest ? z : largest;
    }
    return largest;
}

// Turns logarithms into weights p (Q16) and returns their sum.
TARGET static i64 NAME(weigh_keys)(const i64 *restrict scores, i32 count, i64 largest,
                                   const i64 *exponential, i32 *restrict p) {
    i64 c0 = exponential[0], c1 = exponential[1], c2 = exponential[2], c3 = exponential[3];
    i64 total = 0;
    for (i32 j = 0; j < count; j++) {
        i64 z = largest - scores[j], e;
        EXPONENTIAL(e, z);
        e = (e + (1 << 13)) >> 14;
        p[j] = (i32)e;
        total += e;
    }
    return total;
}
#undef EXPONENTIAL

// Rounded quotient of magnitudes, sign kept. Numerators are below 2^53 and quotients below 2^24,
// so float64 division and truncation give the exact floor.
TARGET static void NAME(divide)(const i64 *restrict sums, i32 count, i64 total,
                                i64 *restrict out) {
    for (i32 i = 0; i < count; i++) {
        i64 magnitude = (sums[i] < 0 ? -sums[i] : sums[i]) * 256 + total / 2;
        i64 quotient = (i64)((double)magnitude / (double)total);
        out[i] = sums[i] < 0 ? -quotient : quotient;
    }
}

// q . k of every key. Keys lie in blocks of 16: [pair of lanes][key][2].
TARGET static void NAME(score_keys)(const i16 *restrict q, const i16 *restrict keys, i32 count,
                                    i32 size, i64 *restrict scores) {
    for (i32 block = 0; block * 16 < count; block++) {
        const i16 *k = keys + (i64)block * 16 * size;
        i64 sums[16] = {0};
        for (i32 pair = 0; pair < size / 2; pair++, k += 32) {
            i32 a = q[2 * pair], b = q[2 * pair + 1];
            for (int j = 0; j < 16; j++) sums[j] += a * k[2 * j] + b * k[2 * j + 1];
        }
        memcpy(scores + 16 * block, sums, sizeof sums);
    }
}

// Sum of p v over the keys. Values lie in pairs of keys: [lane][2].
TARGET static void NAME(mix_values)(const i32 *restrict p, const i16 *restrict values, i32 count,
                                    i32 size, i64 *restrict sums) {
    memset(sums, 0, sizeof(i64) * (size_t)size);
    for (i32 key = 0; key < count; key++) {
        const i16 *v = values + (i64)(key / 2) * 2 * size + key % 2;
        for (i32 i = 0; i < size; i++) sums[i] += (i64)p[key] * v[2 * i];
    }
}
