// Exact integer Llama: one block of tokens through all layers, on any number of threads.
//
// The engine's arithmetic (docs/spec/engine.md) as it is run: rows are repacked in tiles of 16,
// every op exists once a path (portable, AVX2, AVX-512, NEON), and all paths give the same bits.
#include "kernels.h"
#include "kernels_rows.h"
#include "kernels_pool.h"

typedef void tile_function(const matrix *, const u8 *tile, const activation *, i64 tokens,
                           u8 *unpacked, i64 *out);

// What a path provides; see kernels_lanes.h for each op.
typedef struct {
    tile_function *tile;
    u128 (*sum_squares)(const i32 *, i32);
    void (*weigh)(const i32 *, const i32 *, i64, i32, i64 *);
    i64 (*largest)(const i64 *, i32);
    void (*split)(const i64 *, i32, i64, i16 *, i8 *, i8 *, double *, double *);
    void (*round_tile)(const i64 *, i64, i64, i32 *);
    void (*add_tile)(const i64 *, i64, i32 *);
    void (*rotate)(const i32 *, const i16 *, const i16 *, i32, i32, i16 *);
    void (*gate)(const i32 *, const i32 *, i32, const i64 *, i64 *);
    i64 (*scale_scores)(i64 *, i32, i64, i32);
    i64 (*weigh_keys)(const i64 *, i32, i64, const i64 *, i32 *);
    void (*divide)(const i64 *, i32, i64, i64 *);
    void (*score_keys)(const i16 *, const i16 *, i32, i32, i64 *);
    void (*mix_values)(const i32 *, const i16 *, i32, i32, i64 *);
} operations;

#define OPERATIONS(product, suffix)                                                                \
    {                                                                                              \
        product, sum_squares##suffix, weigh##suffix, largest##suffix, split##suffix,               \
            round_tile##suffix, add_tile##suffix, rotate##suffix, gate##suffix,                    \
            scale_scores##suffix, weigh_keys##suffix, divide##suffix, score_keys##suffix,          \
            mix_values##suffix                                                                     \
    }

#define TARGET
#define NAME(x) x##_portable
#include "kernels_lanes.h"
#undef NAME
#undef TARGET
#if OYEZ_X86
#include "kernels_avx2.h"
#include "kernels_avx512.h"
#define TARGET TARGET_AVX2
#define NAME(x) x##_avx2
#include "kernels_lanes.h"
#undef NAME
#undef TARGET
#define TARGET TARGET_AVX512
#define NAME(x) x##_avx512
#include "kernels_lanes.h"
#undef NAME
#undef TARGET
#endif
#if OYEZ_NEON
#include "kernels_neon.h"
#endif

// A tile's share of sums in int64, F16: out[token][row].
static void add_halves(const u8 *tile, const i16 *lanes, i64 stride, i64 tokens, i64 *out) {
    i64 weights[GROUP * TILE_ROWS];
    for (int i = 0; i < GROUP * TILE_ROWS; i++) weights[i] = half_to_integer(read_u16(tile + 2 * i));
    for (i64 t = 0; t < tokens; t++)
        for (int k = 0; k < GROUP; k++)
            for (int r = 0; r < TILE_ROWS; r++)
                out[t * TILE_ROWS + r] += weights[TILE_ROWS * k + r] * lanes[t * stride + k];
}

// The tile product in int64, for any model below 2^62 and any machine.
static void tile_portable(const matrix *m, const u8 *tile, const activation *y, i64 tokens,
                          u8 *unpacked, i64 *out) {
    const format f = format_of(m->kind);
    (void)unpacked;
    memset(out, 0, sizeof(i64) * TILE_ROWS * (size_t)tokens);
    for (i64 g = 0; g < m->columns / GROUP; g++, tile += tile_bytes(f)) {
        if (f.group == 1) {
            add_halves(tile, y->lanes + GROUP * g, m->columns, tokens, out);
            continue;
        }
        u8 quants[TILE_ROWS * GROUP];
        for (int i = 0; i < 256; i++) {
            quants[i] = f.nibbles ? tile[i] & 15 : tile[i];
            quants[i + 256] = f.nibbles ? tile[i] >> 4 : tile[i + 256];
        }
        int sets = GROUP / f.group, chunks = 8 / sets;
        for (int set = 0; set < sets; set++) {
            i64 scales[TILE_ROWS], minima[TILE_ROWS];
            read_scales(f, tile, set, scales, minima);
            for (i64 t = 0; t < tokens; t++) {
                const i16 *lanes = y->lanes + t * m->columns + GROUP * g + f.group * set;
                i64 sum = (i64)y->halves[(t * m->columns + GROUP * g) / 16 + set];
                if (sets == 1) sum = (i64)y->sums[(t * m->columns) / GROUP + g];
                i32 dots[TILE_ROWS] = {0};
                for (int c = 0; c < chunks; c++)
                    for (int r = 0; r < TILE_ROWS; r++)
                        for (int k = 0; k < 4; k++)
                            dots[r] += quants[64 * (set * chunks + c) + 4 * r + k] * lanes[4 * c + k];
                for (int r = 0; r < TILE_ROWS; r++)
                    out[t * TILE_ROWS + r] += scales[r] * dots[r] + minima[r] * sum;
            }
        }
    }
}

static const operations OPERATIONS_OF[] = {
    [PATH_PORTABLE] = OPERATIONS(tile_portable, _portable),
#if OYEZ_X86
    [PATH_AVX2] = OPERATIONS(tile_avx2, _avx2),
    [PATH_AVX512] = OPERATIONS(tile_avx512, _avx512),
#endif
#if OYEZ_NEON // what every such machine has, plain C is compiled for already
    [PATH_NEON] = OPERATIONS(tile_neon, _portable),
#endif
};

// 1 if this machine runs a path. Own cpuid and xgetbv: __builtin_cpu_supports answers 0 in a
// shared object built by zig.
i32 oyez_has_path(i32 path) {
    if (path == PATH_PORTABLE) return 1;
#if OYEZ_NEON
    return path == PATH_NEON;
#elif OYEZ_X86
    u32 a, b, c, d, saved_low, saved_high, features;
    if (path != PATH_AVX2 && path != PATH_AVX512) return 0;
    if (!__get_cpuid(1, &a, &b, &features, &d) || !(features >> 27 & 1)) return 0;
    __asm__ volatile("xgetbv" : "=a"(saved_low), "=d"(saved_high) : "c"(0));
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    int avx2 = (saved_low & 6) == 6 && (b >> 5 & 1) && (b >> 8 & 1) && (features >> 12 & 1) &&
               (features >> 29 & 1);
    int avx512 = avx2 && (saved_low & 0xe6) == 0xe6 && (b >> 16 & 1) && (b >> 17 & 1) &&
                 (b >> 30 & 1) && (b >> 31 & 1) && (c >> 11 & 1);
    return path == PATH_AVX2 ? avx2 : avx512;
#else
    return 0;
#endif
}

#include "kernels_layer.h"
#include "kernels_sha.h"

// The path's ops, with the attention that this head size allows.
static operations choose(const model *m) {
    operations op = OPERATIONS_OF[m->path];
#if OYEZ_X86
    if (m->path == PATH_AVX2) op.score_keys = score_keys_madd;
    if (m->path == PATH_AVX2) op.gate = gate_quads;
    if (m->path == PATH_AVX2 && m->head_size % 16 == 0) op.mix_values = mix_values_madd;
    if (m->path == PATH_AVX512) op.gate = gate_octets;
    if (m->path == PATH_AVX512) op.divide = divide_octets;
    if (m->path == PATH_AVX512) op.score_keys = score_keys_vnni;
    if (m->path == PATH_AVX512 && m->head_size % 16 == 0) op.mix_values = mix_values_madd;
    if (m->path == PATH_AVX512 && m->head_size % 64 == 0) op.mix_values = mix_values_vnni;
#elif OYEZ_NEON
    if (m->path == PATH_NEON) {
        op.tile = choose_tile_neon();
        op.score_keys = score_keys_neon;
        op.mix_values = mix_values_neon;
    }
#endif
    return op;
}

// Runs 1 to 128 tokens, each at its place; tokens of one session follow one another. residuals
// gets [token][layer][width], lanes [token][layer][k then v].
void oyez_run(const model *m, scratch *s, const i32 *tokens, i32 count, const place *places,
              i32 *residuals, i16 *lanes) {
    const operations op = choose(m);
    i64 stride = whole_groups(m->width);
    task k = {.m = m, .op = &op, .s = s, .places = places, .tokens = count, .lanes = lanes};
    for (i64 t = 0; t < count; t++) embed(m, tokens[t], s->wide, s->x + t * stride);
    for (k.index = 0; k.index < m->layers; k.index++) {
        k.l = m->layer + k.index;
        run_layer(&k);
        for (i64 t = 0; t < count; t++)
            memcpy(residuals + (t * m->layers + k.index) * m->width, s->x + t * stride,
                   sizeof(i32) * (size_t)m->width);
    }
}

// ENGINE-19: the logits of all tokens after each of 1 to 128 rows of residual lanes; a row of
// `logits` has room for whole groups of 32.
void oyez_logits(const model *m, scratch *s, const i32 *x, i32 count, i32 *logits) {
    const operations op = choose(m);
    task k = {.m = m, .op = &op, .s = s, .tokens = count};
    const product head = {&m->head, LANE, SAT32, logits, whole_groups(m->head.rows)};
    normalise_all(&k, &m->output_norm, x, m->width);
    multiply(&k, &head, 1);
}

// ENGINE-19: the logits of some tokens; the tiles of their rows, one row kept of each.
void oyez_logits_of(const model *m, scratch *s, const i32 *x, const i32 *tokens, i32 count,
                    i32 *logits) {
    const operations op = choose(m);
    i64 sums[TILE_ROWS];
    normalise(m, &op, &m->output_norm, x, 0, s);
    for (i64 i = 0; i < count; i++) {
        op.tile(&m->head, tile_of(&m->head, tokens[i] / TILE_ROWS), &s->y, 1, s->desks->unpacked,
                sums);
        logits[i] = (i32)rounding_shift(sums[tokens[i] % TILE_ROWS],
                                        SCALE_BITS + s->y.format[0] - LANE, SAT32);
    }
}

// Sizes of the structures, so that the host can check that it lays them out alike.
i64 oyez_model_bytes(void) { return sizeof(model); }
i64 oyez_layer_bytes(void) { return sizeof(layer); }
