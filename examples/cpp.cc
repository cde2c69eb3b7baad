// cpp.cc: the C++ face. A class owns its watchers; they stop when the object goes.
//
// Build:  c++ cpp.cc $(pkg-config --cflags --libs evring)
// Run:    ./a.out
#include <ev++.h>
#include <cstdio>
#include <unistd.h>

namespace
{

// Reads from a descriptor until its end, or until nothing has come for a while.
class reader
{
public:
    reader (int fd, ev::tstamp patience) : fd_ (fd)
    {
        input_.set<reader, &reader::on_input> (this);
        input_.start (fd, ev::READ);
        silence_.set<reader, &reader::on_silence> (this);
        silence_.set (0., patience);
        silence_.again ();
    }

    ~reader ()
    {
        input_.stop (); // before close; the destructor of the watcher would come too late
        ::close (fd_);
    }

private:
    void on_input (ev::io &w, int)
    {
        char buffer[256];
        ssize_t size = ::read (w.fd, buffer, sizeof buffer);

        if (size <= 0) {
            std::puts ("the end");
            w.stop ();
            silence_.stop ();
            return;
        }
        std::printf ("%.*s\n", static_cast<int> (size), buffer);
        silence_.again ();
    }

    void on_silence (ev::timer &w, int)
    {
        std::puts ("silence");
        w.stop ();
        input_.stop ();
    }

    int fd_;
    ev::io input_;
    ev::timer silence_;
};

} // namespace

int main ()
{
    ev::default_loop loop;
    int ends[2], quiet[2];

    if (::pipe (ends) || ::pipe (quiet) || ::write (ends[1], "hello", 5) != 5)
        return 1;
    ::close (ends[1]);
    {
        reader one (ends[0], 10.);
        loop.run ();
    }
    reader other (quiet[0], 0.1);
    loop.run ();
    return 0;
}
