// Exact integer Llama: one block of tokens through all layers, on one thread.
//
// The engine's arithmetic (docs/spec/engine.md) as it is run: rows are repacked in tiles of 16,
// every op exists once a path (portable, AVX2, AVX-512), and all paths give the same bits.
#include "kernels.h"
#include "kernels_rows.h"

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
#include "kernels_x86.h"
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
    OPERATIONS(tile_portable, _portable),
#if OYEZ_X86
    OPERATIONS(tile_avx2, _avx2),
    OPERATIONS(tile_avx512, _avx512),
#endif
};

// The fastest path of this machine. Own cpuid and xgetbv: __builtin_cpu_supports answers 0 in a
// shared object built by zig.
int oyez_fastest_path(void) {
#if OYEZ_X86
    u32 a, b, c, d, saved_low, saved_high, features;
    if (!__get_cpuid(1, &a, &b, &features, &d) || !(features >> 27 & 1)) return PATH_PORTABLE;
    __asm__ volatile("xgetbv" : "=a"(saved_low), "=d"(saved_high) : "c"(0));
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return PATH_PORTABLE;
    int avx2 = (saved_low & 6) == 6 && (b >> 5 & 1) && (b >> 8 & 1) && (features >> 12 & 1) &&
               (features >> 29 & 1);
    int avx512 = avx2 && (saved_low & 0xe6) == 0xe6 && (b >> 16 & 1) && (b >> 17 & 1) &&
                 (b >> 30 & 1) && (b >> 31 & 1) && (c >> 11 & 1);
    return avx512 ? PATH_AVX512 : avx2 ? PATH_AVX2 : PATH_PORTABLE;
#else
    return PATH_PORTABLE;
#endif
}

static i64 largest_of(i64 a, i64 b) { return a > b ? a : b; }

void oyez_scratch_free(scratch *s) {
    if (!s) return;
    void *parts[] = {s->y.lanes, s->y.high,  s->y.low, s->y.sums,  s->y.halves, s->x,        s->q, s->k,
                     s->v,       s->rotated, s->wide,  s->scores, s->weights,  s->unpacked, s};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) free(parts[i]);
}

// Room for one block of tokens; NULL without memory.
scratch *oyez_scratch_new(const model *m) {
    scratch *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    i64 queries = whole_groups((i64)m->heads * m->head_size);
    i64 keys = whole_groups((i64)m->kv_heads * m->head_size), width = whole_groups(m->width);
    i64 widest = largest_of(largest_of(width, whole_groups(m->feed_forward)), queries);
    s->y.lanes = calloc(BLOCK * (size_t)widest, sizeof(i16));
    s->y.high = calloc(BLOCK, (size_t)widest);
    s->y.low = calloc(BLOCK, (size_t)widest);
    s->y.sums = calloc(BLOCK * (size_t)(widest / GROUP), sizeof(double));
    s->y.halves = calloc(BLOCK * (size_t)(widest / 16), sizeof(double));
    s->x = calloc(BLOCK * (size_t)width, sizeof(i32));
    s->q = calloc(BLOCK * (size_t)queries, sizeof(i32));
    s->k = calloc(BLOCK * (size_t)keys, sizeof(i32));
    s->v = calloc(BLOCK * (size_t)keys, sizeof(i32));
    s->rotated = calloc((size_t)queries, sizeof(i16));
    s->wide = calloc(BLOCK * (size_t)widest, sizeof(i64));
    s->scores = calloc((size_t)whole_groups(m->context), sizeof(i64));
    s->weights = calloc((size_t)whole_groups(m->context) + 2, sizeof(i32));
    s->unpacked = aligned_alloc(64, 1024 * (size_t)(widest / GROUP));
    if (s->y.lanes && s->y.high && s->y.low && s->y.sums && s->y.halves && s->x && s->q && s->k &&
        s->v && s->rotated && s->wide && s->scores && s->weights && s->unpacked)
        return s;
    oyez_scratch_free(s);
    return NULL;
}

// ENGINE-4: the embedding row of a token; `weights` is room for it.
static void embed(const model *m, i32 token, i64 *weights, i32 *x) {
    const matrix *e = &m->embedding;
    read_row(e->kind, m->width, e->data + token * e->row_bytes, weights);
    for (i64 i = 0; i < m->width; i++)
        x[i] = (i32)rounding_shift(weights[i], SCALE_BITS - RESIDUAL, SAT32);
}

static u64 square_root(u128 n) {
    int bits = 0;
    for (u128 rest = n; rest; rest >>= 1) bits++;
    u64 root = 1ULL << ((bits + 1) / 2);
    for (;;) {
        u64 next = (u64)((root + n / root) >> 1);
        if (next >= root) return root;
        root = next;
    }
}

// Brings the lanes t of token `row` to 15 bits as a matrix input; t has room for whole groups.
static void store_input(const operations *op, activation *y, i64 row, i64 *t, i32 count, i64 shift,
                        i64 format) {
    i64 stride = whole_groups(count), at = row * stride;
    for (i64 i = count; i < stride; i++) t[i] = 0; // their weights are 0; this keeps lanes in range
    op->split(t, (i32)stride, shift, y->lanes + at, y->high + at, y->low + at,
              y->sums + at / GROUP, y->halves + at / 16);
    y->format[row] = format - shift;
}

// ENGINE-5, 6, 7.
static void normalise(const model *m, const operations *op, const norm *n, const i32 *x, i64 row,
                      scratch *s) {
    u128 squares = op->sum_squares(x, m->width);
    u64 root = square_root((squares << 16) / (u64)m->width + (u64)m->epsilon);
    int bits = bit_length(root);
    i64 inverse = (i64)((1ULL << (bits + 15)) / root);
    i64 *t = s->wide + row * whole_groups(m->width);
    op->weigh(x, n->weights, inverse, m->width, t);
    i64 largest = op->largest(t, m->width);
    i64 shift = largest ? bit_length((u64)largest) - 14 : 0;
    store_input(op, &s->y, row, t, m->width, shift, n->exponent + bits + 7);
}

// ENGINE-16.
static void compress(const operations *op, i64 *t, i32 count, i64 format, i64 row,
                     scratch *s) {
    i64 shift = bit_length((u64)op->largest(t, count)) - 14;
    store_input(op, &s->y, row, t, count, shift > 0 ? shift : 0, format);
}

static const u8 *tile_of(const matrix *m, i64 row) {
    return m->tiles + row / TILE_ROWS * (m->columns / GROUP) * tile_bytes(format_of(m->kind));
}

// ENGINE-8: the lanes of all rows, at out[token * stride + row]; stride has room for whole tiles.
static void multiply(const matrix *m, const operations *op, i64 tokens, i64 format, i64 limit,
                     i32 *out, i64 stride, scratch *s) {
    i64 sums[BLOCK * TILE_ROWS];
    for (i64 row = 0; row < m->rows; row += TILE_ROWS) {
        op->tile(m, tile_of(m, row), &s->y, tokens, s->unpacked, sums);
        for (i64 t = 0; t < tokens; t++)
            op->round_tile(sums + TILE_ROWS * t, SCALE_BITS + s->y.format[t] - format, limit,
                           out + t * stride + row);
    }
}

// ENGINE-18: adds a product to the residual, which has room for whole tiles.
static void add_product(const matrix *m, const operations *op, i64 tokens, scratch *s) {
    i64 sums[BLOCK * TILE_ROWS], stride = whole_groups(m->rows);
    for (i64 row = 0; row < m->rows; row += TILE_ROWS) {
        op->tile(m, tile_of(m, row), &s->y, tokens, s->unpacked, sums);
        for (i64 t = 0; t < tokens; t++)
            op->add_tile(sums + TILE_ROWS * t, SCALE_BITS + s->y.format[t] - RESIDUAL,
                         s->x + t * stride + row);
    }
}

// ENGINE-17: gate and up, 16 rows at a time, to s->wide, which has room for whole tiles.
static void multiply_gated(const model *m, const layer *l, const operations *op, i64 tokens,
                           scratch *s) {
    i64 sums[2][BLOCK * TILE_ROWS], stride = whole_groups(m->feed_forward);
    for (i64 row = 0; row < m->feed_forward; row += TILE_ROWS) {
        op->tile(&l->gate, tile_of(&l->gate, row), &s->y, tokens, s->unpacked, sums[0]);
        op->tile(&l->up, tile_of(&l->up, row), &s->y, tokens, s->unpacked, sums[1]);
        for (i64 t = 0; t < tokens; t++) {
            i32 g[TILE_ROWS], u[TILE_ROWS];
            i64 shift = SCALE_BITS + s->y.format[t] - LANE;
            op->round_tile(sums[0] + TILE_ROWS * t, shift, SAT32, g);
            op->round_tile(sums[1] + TILE_ROWS * t, shift, SAT32, u);
            op->gate(g, u, TILE_ROWS, m->exponential, s->wide + t * stride + row);
        }
    }
}

// A session's keys and values of one layer: per head, blocks of 16 keys [size / 2][16][2] and
// pairs of values [size][2], `capacity` positions each.
typedef struct {
    i16 *keys, *values;
    i64 capacity;
} cache;

// ENGINE-11: rotates a token's keys and files its keys and values; lanes is k then v.
static void file_keys(const model *m, const layer *l, const operations *op, i64 position,
                      const i32 *k, const i32 *v, cache c, i16 *lanes) {
    i64 size = m->head_size, width = m->kv_heads * size;
    const i16 *cosines = m->cosines + position * size / 2, *sines = m->sines + position * size / 2;
    for (i64 head = 0; head < m->kv_heads; head++) {
        i16 *key = lanes + head * size, *value = lanes + width + head * size;
        op->rotate(k + head * size, cosines, sines, m->head_size / 2, l->k_format, key);
        i16 *keys = c.keys + (head * c.capacity + position / 16 * 16) * size + position % 16 * 2;
        i16 *values = c.values + (head * c.capacity + position / 2 * 2) * size + position % 2;
        for (i64 i = 0; i < size; i++) {
            value[i] = (i16)v[head * size + i];
            keys[i / 2 * 32 + i % 2] = key[i];
            values[2 * i] = value[i];
        }
    }
}

// ENGINE-11, 13, 14, 15: one token's queries against all keys up to its own.
static void attend(const model *m, const layer *l, const operations *op, i64 position,
                   const i32 *q, cache c, scratch *s, i64 *out) {
    i32 size = m->head_size, count = (i32)position + 1;
    const i16 *cosines = m->cosines + position * size / 2, *sines = m->sines + position * size / 2;
    for (i64 head = 0; head < m->heads; head++) {
        i64 sums[MAX_HEAD], shared = head * m->kv_heads / m->heads;
        op->rotate(q + head * size, cosines, sines, size / 2, l->q_format, s->rotated);
        const i16 *keys = c.keys + shared * c.capacity * size;
        const i16 *values = c.values + shared * c.capacity * size;
        op->score_keys(s->rotated, keys, count, size, s->scores);
        i64 largest = op->scale_scores(s->scores, count, m->score_scale,
                                       2 + l->q_format + l->k_format);
        i64 total = op->weigh_keys(s->scores, count, largest, m->exponential, s->weights);
        s->weights[count] = 0;
        op->mix_values(s->weights, values, count, size, sums);
        op->divide(sums, size, total, out + head * size);
    }
}

// The path's ops, with the attention that this head size allows.
static operations choose(const model *m) {
    operations op = OPERATIONS_OF[m->path];
#if OYEZ_X86
    if (m->path == PATH_AVX2) op.score_keys = score_keys_madd;
    if (m->path == PATH_AVX2 && m->head_size % 16 == 0) op.mix_values = mix_values_madd;
    if (m->path == PATH_AVX512) op.score_keys = score_keys_vnni;
    if (m->path == PATH_AVX512 && m->head_size % 16 == 0) op.mix_values = mix_values_madd;
    if (m->path == PATH_AVX512 && m->head_size % 64 == 0) op.mix_values = mix_values_vnni;
#endif
    return op;
}

// Runs 1 to 128 tokens, each at its place; tokens of one session follow one another. residuals
// gets [token][layer][width], lanes [token][layer][k then v].
void oyez_run(const model *m, scratch *s, const i32 *tokens, i32 count, const place *places,
              i32 *residuals, i16 *lanes) {
    const operations op = choose(m);
    i64 size = m->head_size, queries = m->heads * size, width = m->kv_heads * size;
    i64 x_stride = whole_groups(m->width), q_stride = whole_groups(queries),
        k_stride = whole_groups(width), wide_stride = whole_groups(m->feed_forward);
    for (i64 t = 0; t < count; t++) embed(m, tokens[t], s->wide, s->x + t * x_stride);
    for (i64 index = 0; index < m->layers; index++) {
        const layer *l = m->layer + index;
        for (i64 t = 0; t < count; t++)
            normalise(m, &op, &l->attn_norm, s->x + t * x_stride, t, s);
        multiply(&l->q, &op, count, LANE, SAT32, s->q, q_stride, s);
        multiply(&l->k, &op, count, LANE, SAT32, s->k, k_stride, s);
        multiply(&l->v, &op, count, l->v_format, SAT16, s->v, k_stride, s);
        for (i64 t = 0; t < count; t++) {
            const place *p = places + t;
            i64 part = index * p->capacity * width;
            cache c = {p->keys + part, p->values + part, p->capacity};
            file_keys(m, l, &op, p->position, s->k + t * k_stride, s->v + t * k_stride, c,
                      lanes + (t * m->layers + index) * 2 * width);
            attend(m, l, &op, p->position, s->q + t * q_stride, c, s, s->wide);
            compress(&op, s->wide, (i32)queries, l->v_format + 8, t, s);
        }
        add_product(&l->output, &op, count, s);
        for (i64 t = 0; t < count; t++)
            normalise(m, &op, &l->ffn_norm, s->x + t * x_stride, t, s);
        multiply_gated(m, l, &op, count, s);
        for (i64 t = 0; t < count; t++)
            compress(&op, s->wide + t * wide_stride, m->feed_forward, 2 * LANE, t, s);
        add_product(&l->down, &op, count, s);
        for (i64 t = 0; t < count; t++)
            memcpy(residuals + (t * m->layers + index) * m->width, s->x + t * x_stride,
                   sizeof(i32) * (size_t)m->width);
    }
}

// ENGINE-19: the logits of all tokens after each of 1 to 128 rows of residual lanes; a row of
// `logits` has room for whole groups of 32.
void oyez_logits(const model *m, scratch *s, const i32 *x, i32 count, i32 *logits) {
    const operations op = choose(m);
    for (i64 t = 0; t < count; t++)
        normalise(m, &op, &m->output_norm, x + t * m->width, t, s);
    multiply(&m->head, &op, count, LANE, SAT32, logits, whole_groups(m->head.rows), s);
}

// ENGINE-19: the logits of some tokens; the tiles of their rows, one row kept of each.
void oyez_logits_of(const model *m, scratch *s, const i32 *x, const i32 *tokens, i32 count,
                    i32 *logits) {
    const operations op = choose(m);
    i64 sums[TILE_ROWS];
    normalise(m, &op, &m->output_norm, x, 0, s);
    for (i64 i = 0; i < count; i++) {
        op.tile(&m->head, tile_of(&m->head, tokens[i]), &s->y, 1, s->unpacked, sums);
        logits[i] = (i32)rounding_shift(sums[tokens[i] % TILE_ROWS],
                                        SCALE_BITS + s->y.format[0] - LANE, SAT32);
    }
}

// Sizes of the structures, so that the host can check that it lays them out alike.
i64 oyez_model_bytes(void) { return sizeof(model); }
i64 oyez_layer_bytes(void) { return sizeof(layer); }
