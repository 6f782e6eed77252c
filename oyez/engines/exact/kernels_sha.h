// SHA-256 in batches, and with it the record roots of the outer trace (ENGINE-22).
//
// Messages of one length are hashed several at a time: in the lanes of vectors (16 with AVX-512, 8
// with AVX2, 4 anywhere), or two at a time with the SHA instructions. All give SHA-256.

enum { SHA_LANES4 = 0, SHA_LANES8 = 1, SHA_NI = 2, SHA_LANES16 = 3 };

enum {
    MOST_LANES = 16,
    CHUNK = 1024,       // bytes of a chunk
    LEAF = 1088,        // a leaf's preimage, 2 + 1,024 bytes, padded to 17 blocks
    NODE = 128,         // a node's, 64 bytes, padded to 2 blocks
    RECORD_CHUNKS = 16, // leaves of a record's tree
    RECORD_HEIGHT = 4,
    SLOT_BITS = 5, // height of a position's tree of records
    CHUNK_INT32 = 1,
    CHUNK_INT16_REVERSED = 5,
    LANES32 = CHUNK / 4,
    LANES16 = CHUNK / 2,
};

static const u32 SHA_BEGIN[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
static const u32 SHA_ROUND[64] __attribute__((aligned(64))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

#if defined(__x86_64__) || defined(__aarch64__)
#define SHA_UNROLL _Pragma("GCC unroll 16")
#else
#define SHA_UNROLL
#endif

static inline u32 read_big(const u8 *at) {
    u32 word;
    memcpy(&word, at, 4);
    return __builtin_bswap32(word);
}

static inline void write_big(u8 *at, u32 word) {
    word = __builtin_bswap32(word);
    memcpy(at, &word, 4);
}

#define TARGET
#define LANES 4
#define NAME(x) x##4
#include "kernels_sha_lanes.h"
#undef NAME
#undef LANES
#undef TARGET
#if OYEZ_X86
#define TARGET TARGET_AVX2
#define LANES 8
#define NAME(x) x##8
#include "kernels_sha_lanes.h"
#undef NAME
#undef LANES
#undef TARGET
#define TARGET TARGET_AVX512
#define LANES 16
#define NAME(x) x##16
#include "kernels_sha_lanes.h"
#undef NAME
#undef LANES
#undef TARGET

#define TARGET_SHA __attribute__((target("sha,sse4.1,ssse3")))

// Two messages, interleaved, so that one's rounds fill the other's waits.
TARGET_SHA static void sha_pair(const u8 *in, i64 blocks, i64 stride, u8 *out) {
    const __m128i order = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
    const __m128i low = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)SHA_BEGIN), 0xb1);
    const __m128i high = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(SHA_BEGIN + 4)), 0x1b);
    __m128i state[2][2];
    for (int s = 0; s < 2; s++) {
        state[s][0] = _mm_alignr_epi8(low, high, 8);
        state[s][1] = _mm_blend_epi16(high, low, 0xf0);
    }
    for (i64 b = 0; b < blocks; b++) {
        __m128i front[2], back[2], w[2][4];
        for (int s = 0; s < 2; s++) {
            const u8 *at = in + s * stride + 64 * b;
            front[s] = state[s][0];
            back[s] = state[s][1];
            for (int i = 0; i < 4; i++)
                w[s][i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(at + 16 * i)), order);
        }
        SHA_UNROLL for (int r = 0; r < 16; r++) {
            for (int s = 0; s < 2; s++) {
                __m128i now = w[s][r & 3], next = w[s][(r + 1) & 3], third = w[s][(r + 2) & 3];
                __m128i last = w[s][(r + 3) & 3];
                __m128i sum =
                    _mm_add_epi32(now, _mm_load_si128((const __m128i *)(SHA_ROUND + 4 * r)));
                back[s] = _mm_sha256rnds2_epu32(back[s], front[s], sum);
                front[s] = _mm_sha256rnds2_epu32(front[s], back[s], _mm_shuffle_epi32(sum, 0x0e));
                now = _mm_add_epi32(_mm_sha256msg1_epu32(now, next), _mm_alignr_epi8(last, third, 4));
                w[s][r & 3] = _mm_sha256msg2_epu32(now, last);
            }
        }
        for (int s = 0; s < 2; s++) {
            state[s][0] = _mm_add_epi32(state[s][0], front[s]);
            state[s][1] = _mm_add_epi32(state[s][1], back[s]);
        }
    }
    for (int s = 0; s < 2; s++) {
        __m128i a = _mm_shuffle_epi32(state[s][0], 0x1b), b = _mm_shuffle_epi32(state[s][1], 0xb1);
        __m128i words[2] = {_mm_blend_epi16(a, b, 0xf0), _mm_alignr_epi8(b, a, 8)};
        for (int i = 0; i < 2; i++)
            _mm_storeu_si128((__m128i *)(out + 32 * s + 16 * i),
                             _mm_shuffle_epi8(words[i], order));
    }
}
#endif

typedef void sha_function(const u8 *in, i64 blocks, i64 stride, u8 *out);

typedef struct {
    sha_function *run;
    i64 lanes;
} sha;

static sha sha_of(i32 kind) {
#if OYEZ_X86
    if (kind == SHA_LANES16) return (sha){sha_lanes16, 16};
    if (kind == SHA_LANES8) return (sha){sha_lanes8, 8};
    if (kind == SHA_NI) return (sha){sha_pair, 2};
#endif
    (void)kind;
    return (sha){sha_lanes4, 4};
}

// Kinds of SHA that this machine has, a bit each, faster ones higher.
i32 oyez_sha_kinds(void) {
    i32 kinds = 1 << SHA_LANES4;
#if OYEZ_X86
    u32 a, b, c, d, features;
    if (oyez_has_path(PATH_AVX2)) kinds |= 1 << SHA_LANES8;
    if (oyez_has_path(PATH_AVX512)) kinds |= 1 << SHA_LANES16;
    if (__get_cpuid(1, &a, &b, &features, &d) && (features >> 9 & 1) && (features >> 19 & 1) &&
        __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1))
        kinds |= 1 << SHA_NI;
#endif
    return kinds;
}

// `count` padded messages, at most MOST_LANES, in a buffer that has room for as many.
static void sha_some(sha h, const u8 *in, i64 size, i64 count, u8 *out) {
    u8 digests[32 * MOST_LANES];
    for (i64 at = 0; at < count; at += h.lanes)
        h.run(in + at * size, size / 64, size, digests + 32 * at);
    memcpy(out, digests, 32 * (size_t)count);
}

// int32 lanes as a chunk: words of 32 bytes with lane 0 lowest are the lanes' bytes in reverse.
static void encode_int32(const i32 *lanes, i64 count, u8 *chunk) {
    i32 padded[LANES32];
    if (count < LANES32) {
        for (i64 i = 0; i < LANES32; i++) padded[i] = i < count ? lanes[i] : INT32_MIN;
        lanes = padded;
    }
    for (int word = 0; word < CHUNK / 32; word++)
        for (int i = 0; i < 8; i++) write_big(chunk + 32 * word + 28 - 4 * i, (u32)lanes[8 * word + i]);
}

// int16 lanes in quad order, fields reversed: pair a of word w is lanes 4 a + 2 w and the next.
static void encode_int16(const i16 *lanes, i64 count, u8 *chunk) {
    i16 padded[LANES16];
    if (count < LANES16) {
        for (i64 i = 0; i < LANES16; i++) padded[i] = i < count ? lanes[i] : INT16_MIN;
        lanes = padded;
    }
    for (int group = 0; group < CHUNK / 64; group++)
        for (int w = 0; w < 2; w++)
            for (int a = 0; a < 8; a++) {
                const i16 *pair = lanes + 32 * group + 4 * a + 2 * w;
                write_big(chunk + 64 * group + 32 * w + 4 * a,
                          (u32)(u16)pair[0] << 16 | (u16)pair[1]);
            }
}

// The lanes of many records, [record][width] and [record][keys and values].
typedef struct {
    sha h;
    i64 width, kv;
    const i32 *x;
    const i16 *lanes;
    const u8 *empty; // roots of 1, 2, 4 and 8 PAD chunks
    u8 *roots;
} records;

static i64 chunks32(const records *k) { return (k->width + LANES32 - 1) / LANES32; }

// A record's chunk: x from 0 on, then keys and values as one run.
static void encode_chunk(const records *k, i64 record, i64 chunk, u8 *leaf) {
    i64 first = chunks32(k);
    if (chunk < first) {
        leaf[1] = CHUNK_INT32;
        encode_int32(k->x + record * k->width + chunk * LANES32, k->width - chunk * LANES32, leaf + 2);
    } else {
        leaf[1] = CHUNK_INT16_REVERSED;
        chunk -= first;
        encode_int16(k->lanes + record * k->kv + chunk * LANES16, k->kv - chunk * LANES16, leaf + 2);
    }
}

// What SHA-256 appends to a message of `length` bytes in a buffer of `size`.
static void pad_message(u8 *message, i64 length, i64 size) {
    memset(message + length, 0, (size_t)(size - length));
    message[length] = 0x80;
    write_big(message + size - 4, (u32)(8 * length));
}

// One level of `count` trees, `live` hashes each, `stride` apart, to half as many without a gap, in
// place; `empty` stands where a hash is missing.
static i64 fold_level(sha h, u8 *level, i64 count, i64 live, i64 stride, const u8 *empty) {
    u8 nodes[NODE * MOST_LANES];
    for (i64 i = 0; i < MOST_LANES; i++) pad_message(nodes + NODE * i, 64, NODE);
    i64 half = (live + 1) / 2, total = count * half;
    for (i64 at = 0; at < total; at += MOST_LANES) {
        i64 some = total - at < MOST_LANES ? total - at : MOST_LANES;
        for (i64 i = 0; i < some; i++) {
            i64 left = 2 * ((at + i) % half);
            const u8 *from = level + 32 * ((at + i) / half * stride + left);
            memcpy(nodes + NODE * i, from, 32);
            memcpy(nodes + NODE * i + 32, left + 1 < live ? from + 32 : empty, 32);
        }
        // What is written lies before all that is still to be read.
        sha_some(h, nodes, NODE, some, level + 32 * at);
    }
    return half;
}

// Roots of records begin to end - 1, sixteen at a time.
static void record_roots(void *argument, i64 begin, i64 end, i32 number) {
    const records *k = argument;
    u8 leaves[LEAF * MOST_LANES], level[32 * RECORD_CHUNKS * MOST_LANES];
    (void)number;
    for (i64 i = 0; i < MOST_LANES; i++) {
        leaves[LEAF * i] = 0;
        pad_message(leaves + LEAF * i, CHUNK + 2, LEAF);
    }
    i64 live = chunks32(k) + (k->kv + LANES16 - 1) / LANES16;
    for (i64 first = begin; first < end; first += MOST_LANES) {
        i64 count = end - first < MOST_LANES ? end - first : MOST_LANES, total = count * live;
        for (i64 at = 0; at < total; at += MOST_LANES) {
            i64 some = total - at < MOST_LANES ? total - at : MOST_LANES;
            for (i64 i = 0; i < some; i++)
                encode_chunk(k, first + (at + i) / live, (at + i) % live, leaves + LEAF * i);
            sha_some(k->h, leaves, LEAF, some, level + 32 * at);
        }
        i64 left = live;
        for (int height = 0; height < RECORD_HEIGHT; height++)
            left = fold_level(k->h, level, count, left, left, k->empty + 32 * height);
        memcpy(k->roots + 32 * first, level, 32 * (size_t)count);
    }
}

// ENGINE-22: the roots of records of at most 16 chunks, from lanes as oyez_run gives them.
void oyez_record_roots(scratch *s, i32 kind, i64 count, i64 width, i64 kv, const i32 *x,
                       const i16 *lanes, const u8 *empty, u8 *roots) {
    records k = {sha_of(kind), width, kv, x, lanes, empty, roots};
    share(&s->pool, record_roots, &k, count, MOST_LANES);
}

typedef struct {
    sha h;
    i64 layers;
    const u8 *roots, *empty; // empty: roots of 1, 2, 4, 8 and 16 PAD records
    u8 *siblings;
} positions;

// TRACE-11: the siblings of the last slot of positions begin to end - 1, sixteen at a time.
static void position_siblings(void *argument, i64 begin, i64 end, i32 number) {
    const positions *k = argument;
    u8 level[32 * (1 << SLOT_BITS) * MOST_LANES];
    (void)number;
    for (i64 first = begin; first < end; first += MOST_LANES) {
        i64 count = end - first < MOST_LANES ? end - first : MOST_LANES, live = k->layers;
        memcpy(level, k->roots + 32 * first * live, 32 * (size_t)(count * live));
        for (int height = 0; height < SLOT_BITS; height++) {
            const u8 *empty = k->empty + 32 * height;
            int reaches = live == (1 << (SLOT_BITS - height)) - 1;
            for (i64 i = 0; i < count; i++)
                memcpy(k->siblings + 32 * ((first + i) * SLOT_BITS + height),
                       reaches ? level + 32 * (i * live + live - 1) : empty, 32);
            live = fold_level(k->h, level, count, live - reaches, live, empty);
        }
    }
}

// What a sampler's record is folded with to give its position's root, [position][5]; `roots` are
// those of the layers' records, 31 layers at most.
void oyez_position_siblings(scratch *s, i32 kind, i64 count, i64 layers, const u8 *roots,
                            const u8 *empty, u8 *siblings) {
    positions k = {sha_of(kind), layers, roots, empty, siblings};
    share(&s->pool, position_siblings, &k, count, MOST_LANES);
}
