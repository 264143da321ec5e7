// The bare loop in C++: the ceiling of a compiled core.  Events are (time, seq, machine, packet) in a
// std::priority_queue; each packet is copied into and out of a 100-byte buffer (its encode and decode).
// W1, W2 and W3 of spec.py, whose numbers stand here again.  usage: floor W1|W2|W3
#include <sys/resource.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <queue>
#include <string>
#include <unordered_map>
#include <vector>

using std::int64_t;

struct Pkt
{
    int64_t src, dst, kind, seq, frag, size, t, flags;
    unsigned char hdr[32];
};
using Fn = void (*)(void*, void*, int64_t);

struct Ev
{
    int64_t t, seq;
    Fn fn;
    void* self;
    void* buf;
    int64_t arg;
    bool operator<(const Ev& o) const { return t > o.t || (t == o.t && seq > o.seq); }
};

static std::priority_queue<Ev> g_q;
static int64_t g_now, g_seq;
static struct
{
    int64_t rx, acks, used, dropped, accepted;
} st;

static void At(int64_t t, Fn fn, void* self, void* buf, int64_t arg)
{
    g_q.push(Ev{t, ++g_seq, fn, self, buf, arg});
}

static Pkt Take(void* buf)
{
    Pkt p;
    std::memcpy(&p, buf, sizeof p);
    std::free(buf);
    return p;
}

struct Link
{
    Fn rx;
    void* self;
    int64_t free_at = 0;

    void Send(int64_t src, int64_t dst, int64_t kind, int64_t seq, int64_t frag, int64_t size)
    {
        if (free_at < g_now)
            free_at = g_now;
        free_at += size * 8;
        Pkt p{src, dst, kind, seq, frag, size, g_now, 0, {1, 2, 3}};
        void* b = std::malloc(sizeof p);
        std::memcpy(b, &p, sizeof p);
        At(free_at + 100000, rx, self, b, 0);
    }
};

static Link g_flood, g_toc, g_toa;

static void Tick(void*, void*, int64_t i)
{
    g_flood.Send(1, 0, 0, i, 0, 1500);
    if (i + 1 < 1000000)
        At(g_now + 12000, Tick, nullptr, nullptr, i + 1);
}

static void RxCount(void*, void* b, int64_t)
{
    Take(b);
    st.rx++;
}

static int64_t g_sent, g_free;
static std::unordered_map<int64_t, int> g_got;

static void PageOut()
{
    if (g_sent >= 200000)
        return;
    g_toc.Send(0, 2, 1, g_sent, 0, 1500);
    g_toc.Send(0, 2, 1, g_sent, 1, 1500);
    g_toc.Send(0, 2, 1, g_sent, 2, 1180);
    g_sent++;
}

static void Serve(void*, void*, int64_t seq) { g_toa.Send(2, 0, 2, seq, 0, 92); }

static void RxC(void*, void* b, int64_t)
{
    Pkt p = Take(b);
    st.rx++;
    if (++g_got[p.seq] == 3)
    {
        g_got.erase(p.seq);
        At(g_now + 100000, Serve, nullptr, nullptr, p.seq);
    }
}

static void RxA(void*, void* b, int64_t)
{
    Take(b);
    st.rx++;
    st.acks++;
    PageOut();
}

static void Soft(void*, void*, int64_t kind)
{
    st.used--;
    if (kind == 2)
    {
        st.acks++;
        PageOut();
    }
    else
        st.accepted++;
}

static void RxA3(void*, void* b, int64_t)
{
    Pkt p = Take(b);
    st.rx++;
    if (p.kind == 0 && st.used >= 256)
    {
        st.dropped++;
        return;
    }
    st.used++;
    g_free = (g_free < g_now ? g_now : g_free) + 13000;
    At(g_free, Soft, nullptr, nullptr, p.kind);
}

static double Cpu()
{
    rusage r;
    getrusage(RUSAGE_SELF, &r);
    return r.ru_utime.tv_sec + r.ru_stime.tv_sec + 1e-6 * (r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

int main(int argc, char** argv)
{
    std::string w = argc > 1 ? argv[1] : "";
    if (w != "W1" && w != "W2" && w != "W3")
    {
        std::fprintf(stderr, "usage: floor W1|W2|W3\n");
        return 2;
    }
    auto t0 = std::chrono::steady_clock::now();
    double c0 = Cpu();
    Fn rx = w == "W1" ? RxCount : w == "W2" ? RxA : RxA3;
    g_flood = {rx, nullptr};
    g_toc = {RxC, nullptr};
    g_toa = {rx, nullptr};
    if (w != "W2")
        Tick(nullptr, nullptr, 0);
    if (w != "W1")
        for (int i = 0; i < 32; i++)
            PageOut();
    while (!g_q.empty())
    {
        Ev e = g_q.top();
        g_q.pop();
        g_now = e.t;
        e.fn(e.self, e.buf, e.arg);
    }
    std::printf("{\"frames\": %lld, \"wall_s\": %.6f, \"cpu_s\": %.6f}\n", (long long)st.rx,
                std::chrono::duration<double>(std::chrono::steady_clock::now() - t0).count(), Cpu() - c0);
}
