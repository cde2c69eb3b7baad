// Build: c++ evpp.cc $(pkg-config --cflags --libs evring)
#include <ev++.h>
#include <ev_op.h>
#include <cstdio>
#include <unistd.h>

namespace
{

class reader
{
public:
    explicit reader (int fd)
    {
        line_.set<reader, &reader::on_line> (this);
        line_.set_read (fd, buffer_, sizeof buffer_);
        line_.deadline (10.);
        line_.start ();
    }

private:
    void on_line (ev::op &op, int)
    {
        std::printf ("operation: %.*s\n", static_cast<int> (op.result), buffer_);
    }

    ev::op line_;
    char buffer_[64];
};

class writer
{
public:
    explicit writer (int fd)
    {
        room_.set<writer, &writer::on_room> (this);
        room_.start (fd, ev::WRITE);
    }

private:
    void on_room (ev::io &w, int)
    {
        std::puts ("watcher: there is room");
        if (::write (w.fd, "hello", 5) == 5)
            w.stop ();
    }

    ev::io room_;
};

} // namespace

int main ()
{
    ev::default_loop loop;
    int ends[2];

    if (::pipe (ends))
        return 1;
    reader one (ends[0]);
    writer other (ends[1]);
    loop.run ();
    return 0;
}
