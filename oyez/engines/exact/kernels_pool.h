// Threads that share out an index range: the caller works too and waits only for those that joined.
//
// A worker joins a job while it is open, takes runs of indices until none is left, and leaves. The
// caller closes the job when it finds none left itself, so a worker that a busy neighbour keeps
// from running is never waited for. Between jobs workers spin briefly, yield, then park; a waiting
// caller spins briefly, then yields. Which thread takes which index changes no bit: every index writes its own place.

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

// Steps of waiting: first with the core held, then offering it to others; a worker then parks.
enum { MAX_THREADS = 256, SPINS = 1000, YIELDS = 100 };

// Does indices begin to end - 1; `worker` numbers the thread, 0 being the caller.
typedef void job_function(void *argument, i64 begin, i64 end, i32 worker);

typedef struct pool pool;

typedef struct {
    pool *owner;
    i32 number;
    pthread_t thread;
} worker;

// state: number of the job (upper half), OPEN, and how many workers are inside (low bits).
struct pool {
    _Atomic u64 state;
    _Atomic i64 next;
    _Atomic i32 parked, stopped;
    job_function *job;
    void *argument;
    i64 total, grain;
    i32 workers; // threads besides the caller
    pthread_mutex_t lock;
    pthread_cond_t wake;
    worker worker[MAX_THREADS];
};

#define OPEN (1ULL << 31)
#define INSIDE (OPEN - 1)

static inline void hold_or_yield(int step) {
    if (step >= SPINS) {
        sched_yield();
        return;
    }
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void take_indices(pool *p, i32 number) {
    for (;;) {
        i64 begin = atomic_fetch_add(&p->next, p->grain);
        if (begin >= p->total) return;
        i64 end = begin + p->grain < p->total ? begin + p->grain : p->total;
        p->job(p->argument, begin, end, number);
    }
}

static int has_new_job(pool *p, u64 seen) {
    u64 state = atomic_load(&p->state);
    return ((state & OPEN) && state >> 32 != seen) || atomic_load(&p->stopped);
}

static void await_job(pool *p, u64 seen) {
    for (int i = 0; i < SPINS + YIELDS; i++) {
        if (has_new_job(p, seen)) return;
        hold_or_yield(i);
    }
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->parked, 1);
    while (!has_new_job(p, seen)) pthread_cond_wait(&p->wake, &p->lock);
    atomic_fetch_sub(&p->parked, 1);
    pthread_mutex_unlock(&p->lock);
}

static void *work(void *argument) {
    worker *self = argument;
    pool *p = self->owner;
    u64 seen = 0;
    for (;;) {
        await_job(p, seen);
        if (atomic_load(&p->stopped)) return NULL;
        u64 state = atomic_load(&p->state);
        while ((state & OPEN) && state >> 32 != seen)
            if (atomic_compare_exchange_weak(&p->state, &state, state + 1)) {
                seen = state >> 32;
                take_indices(p, self->number);
                atomic_fetch_sub(&p->state, 1);
                break;
            }
    }
}

static void wake_workers(pool *p) {
    if (!atomic_load(&p->parked)) return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

// Does all indices 0 to total - 1, in runs of at least `least` of them.
static void share(pool *p, job_function *job, void *argument, i64 total, i64 least) {
    if (!p->workers || total <= least) {
        job(argument, 0, total, 0);
        return;
    }
    i64 runs = 4 * (i64)(p->workers + 1), grain = (total + runs - 1) / runs;
    p->job = job;
    p->argument = argument;
    p->total = total;
    p->grain = grain > least ? grain : least;
    atomic_store(&p->next, 0);
    u64 number = ((atomic_load(&p->state) >> 32) + 1) & 0xffffffffu;
    atomic_store(&p->state, number << 32 | OPEN);
    wake_workers(p);
    take_indices(p, 0);
    atomic_fetch_and(&p->state, ~OPEN);
    for (int i = 0; atomic_load(&p->state) & INSIDE; i += i <= SPINS) hold_or_yield(i);
}

static void stop_pool(pool *p) {
    atomic_store(&p->stopped, 1);
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (i32 i = 0; i < p->workers; i++) pthread_join(p->worker[i].thread, NULL);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
}

// Starts up to `threads` - 1 workers; the system may give fewer.
static void start_pool(pool *p, i32 threads) {
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    for (i32 i = 0; i + 1 < threads && i < MAX_THREADS - 1; i++) {
        p->worker[i].owner = p;
        p->worker[i].number = i + 1;
        if (pthread_create(&p->worker[i].thread, NULL, work, p->worker + i)) return;
        p->workers = i + 1;
    }
}
