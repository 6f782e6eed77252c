// Runs the kernels over cases from standard input and writes what they answer: for machines where
// Python does not run (under qemu), and for builds that watch themselves (sanitizers).
//
// Every array is allocated by itself with exactly its size, so that a read beyond it is seen. All
// numbers are int64, little-endian; wire.py writes cases and reads answers. A case is its kind and
// its mask of paths; an answer is, for each path of the mask that this machine has, the path's
// number and what it gave, then -1.
#include "kernels.c"

#include <stdio.h>

enum { CASE_OP = 1, CASE_MODEL = 2, MAX_SESSIONS = 8, MAX_ARRAYS = 8 };
enum {
    OP_SUM_SQUARES,
    OP_WEIGH,
    OP_LARGEST,
    OP_SPLIT,
    OP_ROUND_TILE,
    OP_ADD_TILE,
    OP_ROTATE,
    OP_GATE,
    OP_SCALE_SCORES,
    OP_WEIGH_KEYS,
    OP_DIVIDE,
    OP_SCORE_KEYS,
    OP_MIX_VALUES,
    OP_TILES,
    OP_EMBED,
};

static void fail(const char *why) {
    fprintf(stderr, "driver: %s\n", why);
    exit(2);
}

static void *room(i64 size) {
    void *made = NULL;
    if (size < 0 || posix_memalign(&made, 64, (size_t)(size ? size : 1))) fail("no memory");
    return made;
}

static void read_exactly(void *to, i64 size) {
    if (size && fread(to, (size_t)size, 1, stdin) != 1) fail("the cases end too early");
}

static void *read_room(i64 size) {
    void *made = room(size);
    read_exactly(made, size);
    return made;
}

static i64 read_i64(void) {
    i64 value;
    read_exactly(&value, sizeof value);
    return value;
}

static void write_exactly(const void *from, i64 size) {
    if (size && fwrite(from, (size_t)size, 1, stdout) != 1) fail("cannot write");
}

static void write_i64(i64 value) { write_exactly(&value, sizeof value); }

// ---------------------------------------------------------------- one op

typedef struct {
    i64 size;
    u8 *data;
} array;

static int runs(i64 mask, i32 path) { return mask >> path & 1 && oyez_has_path(path); }

// All tiles of a matrix against tokens: data, lanes, high, low, sums, halves, out.
static void run_tiles(const operations *op, const i64 *n, array *a) {
    matrix m = {(i32)n[1], (i32)whole_groups(n[2]), (i32)n[0], 0, NULL, a[0].data, 0};
    i64 tokens = n[3];
    u8 *tiles = room(oyez_packed_bytes(m.kind, m.rows, n[2]));
    u8 *unpacked = room(UNPACKED * m.columns / GROUP);
    oyez_pack(m.kind, m.rows, n[2], a[0].data, tiles);
    m.tiles = tiles;
    activation y = {(i16 *)a[1].data, (i8 *)a[2].data, (i8 *)a[3].data, (double *)a[4].data,
                    (double *)a[5].data, {0}};
    for (i64 tile = 0; tile < tiles_of(&m); tile++)
        op->tile(&m, tile_of(&m, tile), &y, tokens, unpacked,
                 (i64 *)a[6].data + tile * tokens * TILE_ROWS);
    free(tiles);
    free(unpacked);
}

static void run_embed(const i64 *n, array *a) {
    i64 *weights = room(n[1] * 8);
    const model m = {.width = (i32)n[1], .embedding = {.kind = (i32)n[0], .data = a[0].data,
                                                       .row_bytes = a[0].size / n[2]}};
    for (i64 token = 0; token < n[2]; token++)
        embed(&m, (i32)token, weights, (i32 *)a[1].data + token * n[1]);
    free(weights);
}

// Returns the op's own result, 0 if it has none; n are its numbers, a its arrays.
static u128 run_op(const operations *op, i64 number, const i64 *n, array *a) {
    i32 count = (i32)n[0];
#define AT(type, index) ((type *)a[index].data)
    switch (number) {
    case OP_SUM_SQUARES: return op->sum_squares(AT(i32, 0), count);
    case OP_WEIGH: op->weigh(AT(i32, 0), AT(i32, 1), n[1], count, AT(i64, 2)); return 0;
    case OP_LARGEST: return (u128)op->largest(AT(i64, 0), count);
    case OP_SPLIT:
        op->split(AT(i64, 0), count, n[1], AT(i16, 1), AT(i8, 2), AT(i8, 3), AT(double, 4),
                  AT(double, 5));
        return 0;
    case OP_ROUND_TILE: op->round_tile(AT(i64, 0), n[0], n[1], AT(i32, 1)); return 0;
    case OP_ADD_TILE: op->add_tile(AT(i64, 0), n[0], AT(i32, 1)); return 0;
    case OP_ROTATE:
        op->rotate(AT(i32, 0), AT(i16, 1), AT(i16, 2), count, (i32)n[1], AT(i16, 3));
        return 0;
    case OP_GATE: op->gate(AT(i32, 0), AT(i32, 1), count, n + 1, AT(i64, 2)); return 0;
    case OP_SCALE_SCORES: return (u128)op->scale_scores(AT(i64, 0), count, n[1], (i32)n[2]);
    case OP_WEIGH_KEYS: return (u128)op->weigh_keys(AT(i64, 0), count, n[5], n + 1, AT(i32, 1));
    case OP_DIVIDE: op->divide(AT(i64, 0), count, n[1], AT(i64, 1)); return 0;
    case OP_SCORE_KEYS:
        op->score_keys(AT(i16, 0), AT(i16, 1), count, (i32)n[1], AT(i64, 2));
        return 0;
    case OP_MIX_VALUES:
        op->mix_values(AT(i32, 0), AT(i16, 1), count, (i32)n[1], AT(i64, 2));
        return 0;
    case OP_TILES: run_tiles(op, n, a); return 0;
    case OP_EMBED: run_embed(n, a); return 0;
    default: fail("no such op"); return 0;
    }
#undef AT
}

// number, head size, 6 numbers, arrays (size, bytes); answers: the result, then all arrays.
static void do_op(i64 mask) {
    i64 number = read_i64(), head_size = read_i64(), numbers[6];
    for (int i = 0; i < 6; i++) numbers[i] = read_i64();
    i64 count = read_i64();
    array arrays[MAX_ARRAYS];
    if (count > MAX_ARRAYS) fail("too many arrays");
    for (i64 i = 0; i < count; i++) {
        arrays[i].size = read_i64();
        arrays[i].data = read_room(arrays[i].size);
    }
    for (i32 path = 0; path <= PATH_NEON; path++) {
        if (!runs(mask, path)) continue;
        array copies[MAX_ARRAYS];
        for (i64 i = 0; i < count; i++) {
            copies[i].size = arrays[i].size;
            copies[i].data = room(arrays[i].size);
            memcpy(copies[i].data, arrays[i].data, (size_t)arrays[i].size);
        }
        const model m = {.path = path, .head_size = (i32)head_size};
        const operations op = choose(&m);
        u128 result = run_op(&op, number, numbers, copies);
        write_i64(path);
        write_i64((i64)(u64)result);
        write_i64((i64)(u64)(result >> 64));
        for (i64 i = 0; i < count; i++) {
            write_exactly(copies[i].data, copies[i].size);
            free(copies[i].data);
        }
    }
    for (i64 i = 0; i < count; i++) free(arrays[i].data);
}

// ---------------------------------------------------------------- a whole model

typedef struct {
    i64 session, count;
    i32 *tokens;
} part;

typedef struct {
    i64 parts, tokens;
    part part[MAX_SESSIONS];
} step;

static norm read_norm(i64 width) {
    i64 exponent = read_i64();
    return (norm){read_room(4 * width), exponent};
}

static matrix read_matrix(int packed) {
    i64 kind = read_i64(), rows = read_i64(), columns = read_i64(), row_bytes = read_i64();
    matrix m = {(i32)rows, (i32)whole_groups(columns), (i32)kind, 0, NULL, NULL, row_bytes};
    m.data = read_room(rows * row_bytes);
    if (packed) {
        u8 *tiles = room(oyez_packed_bytes(m.kind, rows, columns));
        oyez_pack(m.kind, rows, columns, m.data, tiles);
        m.tiles = tiles;
    }
    return m;
}

static void free_matrix(const matrix *m) {
    free((void *)m->tiles);
    free((void *)m->data);
}

static void read_layer(layer *l, i64 width) {
    matrix *const parts[] = {&l->q, &l->k, &l->v, &l->output, &l->gate, &l->up, &l->down};
    l->q_format = (i32)read_i64();
    l->k_format = (i32)read_i64();
    l->v_format = (i32)read_i64();
    l->attn_norm = read_norm(width);
    l->ffn_norm = read_norm(width);
    for (int i = 0; i < 7; i++) *parts[i] = read_matrix(1);
}

static void free_layer(layer *l) {
    matrix *const parts[] = {&l->q, &l->k, &l->v, &l->output, &l->gate, &l->up, &l->down};
    for (int i = 0; i < 7; i++) free_matrix(parts[i]);
    free((void *)l->attn_norm.weights);
    free((void *)l->ffn_norm.weights);
}

static i64 read_steps(step **steps, i64 *lengths) {
    i64 count = read_i64();
    *steps = room(count * (i64)sizeof(step));
    for (i64 i = 0; i < count; i++) {
        step *s = *steps + i;
        s->parts = read_i64();
        s->tokens = 0;
        if (s->parts > MAX_SESSIONS) fail("too many sessions");
        for (i64 j = 0; j < s->parts; j++) {
            part *p = s->part + j;
            p->session = read_i64();
            p->count = read_i64();
            p->tokens = read_room(4 * p->count);
            lengths[p->session] += p->count;
            s->tokens += p->count;
        }
    }
    return count;
}

// Runs one step and writes residuals, lanes, all logits, and those of three tokens.
static void run_step(const model *m, scratch *s, const step *e, i16 **caches, const i64 *lengths,
                     i64 *positions) {
    i64 size = (i64)m->kv_heads * m->head_size, n = e->tokens, vocabulary = m->head.rows;
    place *places = room(n * (i64)sizeof(place));
    i32 *tokens = room(4 * n), *residuals = room(4 * n * m->layers * m->width);
    i16 *lanes = room(4 * n * m->layers * size);
    i64 at = 0, stride = whole_groups(vocabulary);
    for (i64 j = 0; j < e->parts; j++)
        for (i64 i = 0; i < e->part[j].count; i++, at++) {
            i64 session = e->part[j].session;
            places[at] = (place){caches[2 * session], caches[2 * session + 1],
                                 (lengths[session] + 15) / 16 * 16, positions[session]++};
            tokens[at] = e->part[j].tokens[i];
        }
    oyez_run(m, s, tokens, (i32)n, places, residuals, lanes);
    i32 *last = room(4 * n * m->width), *logits = room(4 * n * stride);
    for (i64 i = 0; i < n; i++)
        memcpy(last + i * m->width, residuals + (i * m->layers + m->layers - 1) * m->width,
               4 * (size_t)m->width);
    oyez_logits(m, s, last, (i32)n, logits);
    const i32 some[3] = {0, (i32)(vocabulary / 2), (i32)vocabulary - 1};
    i32 few[3];
    oyez_logits_of(m, s, last + (n - 1) * m->width, some, 3, few);
    write_exactly(residuals, 4 * n * m->layers * m->width);
    write_exactly(lanes, 4 * n * m->layers * size);
    for (i64 i = 0; i < n; i++) write_exactly(logits + i * stride, 4 * vocabulary);
    write_exactly(few, sizeof few);
    free(places);
    free(tokens);
    free(residuals);
    free(lanes);
    free(last);
    free(logits);
}

static void run_model(model *m, i32 threads, const step *steps, i64 count, const i64 *lengths) {
    i16 *caches[2 * MAX_SESSIONS] = {NULL};
    i64 positions[MAX_SESSIONS] = {0}, size = (i64)m->layers * m->kv_heads * m->head_size;
    for (i64 i = 0; i < 2 * MAX_SESSIONS; i++) {
        i64 bytes = 2 * size * ((lengths[i / 2] + 15) / 16 * 16);
        caches[i] = room(bytes);
        memset(caches[i], 0, (size_t)bytes);
    }
    scratch *s = oyez_scratch_new(m, threads);
    if (!s) fail("no working space");
    for (i64 i = 0; i < count; i++) run_step(m, s, steps + i, caches, lengths, positions);
    oyez_scratch_free(s);
    for (i64 i = 0; i < 2 * MAX_SESSIONS; i++) free(caches[i]);
}

// threads, sizes, scalars, tables, norms, matrices, steps; answers: what each step gave.
static void do_model(i64 mask) {
    i64 threads = read_i64(), lengths[MAX_SESSIONS] = {0};
    model m = {0};
    i32 *const sizes[] = {&m.layers,   &m.width,     &m.feed_forward, &m.heads,
                          &m.kv_heads, &m.head_size, &m.context};
    for (int i = 0; i < 7; i++) *sizes[i] = (i32)read_i64();
    m.epsilon = read_i64();
    m.score_scale = read_i64();
    for (int i = 0; i < 4; i++) m.exponential[i] = read_i64();
    m.cosines = read_room((i64)m.context * m.head_size);
    m.sines = read_room((i64)m.context * m.head_size);
    layer *layers = room(m.layers * (i64)sizeof(layer));
    for (i32 i = 0; i < m.layers; i++) read_layer(layers + i, m.width);
    m.layer = layers;
    m.output_norm = read_norm(m.width);
    m.embedding = read_matrix(0);
    m.head = read_matrix(1);
    step *steps;
    i64 count = read_steps(&steps, lengths);
    for (i32 path = 0; path <= PATH_NEON; path++) {
        if (!runs(mask, path)) continue;
        write_i64(path);
        m.path = path;
        run_model(&m, (i32)threads, steps, count, lengths);
    }
    for (i32 i = 0; i < m.layers; i++) free_layer(layers + i);
    for (i64 i = 0; i < count; i++)
        for (i64 j = 0; j < steps[i].parts; j++) free(steps[i].part[j].tokens);
    free(steps);
    free(layers);
    free((void *)m.cosines);
    free((void *)m.sines);
    free((void *)m.output_norm.weights);
    free_matrix(&m.embedding);
    free_matrix(&m.head);
}

int main(void) {
    i64 kind;
    while (fread(&kind, sizeof kind, 1, stdin) == 1) {
        i64 mask = read_i64();
        if (kind == CASE_OP)
            do_op(mask);
        else if (kind == CASE_MODEL)
            do_model(mask);
        else
            fail("no such case");
        write_i64(-1);
    }
    return fflush(stdout) ? 2 : 0;
}
