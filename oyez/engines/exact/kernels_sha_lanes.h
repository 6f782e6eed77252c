// SHA-256 of LANES messages of equal length at once, one in each lane of a vector.
//
// Included once a width: TARGET, NAME and LANES say which. Plain C with vector types; the compiler
// chooses the instructions.

typedef u32 NAME(words) __attribute__((vector_size(4 * LANES)));

#define TURN(x, n) ((x) >> (n) | (x) << (32 - (n)))
// Round r; a to h are v[-r & 7] to v[(7 - r) & 7].
#define V(i) v[((i)-r) & 7]
#define ROUND(r, constant)                                                                         \
    do {                                                                                           \
        words t = V(7) + (TURN(V(4), 6) ^ TURN(V(4), 11) ^ TURN(V(4), 25)) +                       \
                  (V(6) ^ (V(4) & (V(5) ^ V(6)))) + w[r] + (constant);                             \
        V(3) += t;                                                                                 \
        V(7) = t + (TURN(V(0), 2) ^ TURN(V(0), 13) ^ TURN(V(0), 22)) +                             \
               ((V(0) & V(1)) | (V(2) & (V(0) | V(1))));                                           \
    } while (0)

// Word i of a block of every message, to w[i].
#if LANES == 16
TARGET static inline void NAME(load_block)(const u8 *in, i64 stride, NAME(words) * w) {
    const __m512i order = _mm512_broadcast_i32x4(
        _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL));
    __m512i r[16], t[16];
    for (int i = 0; i < 16; i++)
        r[i] = _mm512_shuffle_epi8(_mm512_loadu_si512(in + i * stride), order);
    for (int i = 0; i < 8; i++) {
        t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 2; j++) {
            r[4 * i + 2 * j] = _mm512_unpacklo_epi64(t[4 * i + j], t[4 * i + j + 2]);
            r[4 * i + 2 * j + 1] = _mm512_unpackhi_epi64(t[4 * i + j], t[4 * i + j + 2]);
        }
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 2; j++) {
            t[8 * j + i] = _mm512_shuffle_i32x4(r[8 * j + i], r[8 * j + i + 4], 0x88);
            t[8 * j + i + 4] = _mm512_shuffle_i32x4(r[8 * j + i], r[8 * j + i + 4], 0xdd);
        }
    for (int i = 0; i < 8; i++) {
        w[i] = (NAME(words))_mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        w[i + 8] = (NAME(words))_mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    }
}
#else
TARGET static inline void NAME(load_block)(const u8 *in, i64 stride, NAME(words) * w) {
    u32 turned[16][LANES] __attribute__((aligned(64)));
    for (int lane = 0; lane < LANES; lane++)
        for (int i = 0; i < 16; i++) turned[i][lane] = read_big(in + lane * stride + 4 * i);
    memcpy(w, turned, sizeof turned);
}
#endif

// Messages of `blocks` whole blocks (padded already), `stride` bytes apart.
TARGET static void NAME(sha_lanes)(const u8 *in, i64 blocks, i64 stride, u8 *out) {
    typedef NAME(words) words;
    words state[8], w[16];
    for (int i = 0; i < 8; i++) state[i] = (words){0} + SHA_BEGIN[i];
    for (i64 b = 0; b < blocks; b++) {
        NAME(load_block)(in + 64 * b, stride, w);
        words v[8];
        for (int i = 0; i < 8; i++) v[i] = state[i];
        // Sixteen rounds at a time, so that indices of w and v are constants once unrolled.
        SHA_UNROLL for (int r = 0; r < 16; r++) ROUND(r, SHA_ROUND[r]);
        for (int part = 16; part < 64; part += 16)
            SHA_UNROLL for (int r = 0; r < 16; r++) {
                words early = w[(r + 1) & 15], late = w[(r + 14) & 15];
                w[r] += w[(r + 9) & 15] + (TURN(early, 7) ^ TURN(early, 18) ^ early >> 3) +
                        (TURN(late, 17) ^ TURN(late, 19) ^ late >> 10);
                ROUND(r, SHA_ROUND[part + r]);
            }
        for (int i = 0; i < 8; i++) state[i] += v[i];
    }
    for (int i = 0; i < 8; i++) {
        u32 word[LANES] __attribute__((aligned(64)));
        memcpy(word, state + i, sizeof word);
        for (int lane = 0; lane < LANES; lane++) write_big(out + 32 * lane + 4 * i, word[lane]);
    }
}

#undef TURN
#undef V
#undef ROUND
