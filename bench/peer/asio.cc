/* asio.cc: the peer asio (without Boost), in its own manner: it accepts, reads and writes itself, a session owns its buffer.
 * On epoll, which is its default; built once more with its sockets on io_uring. */
#define _Noreturn [[noreturn]]
extern "C" {
#include "peer.h"
}

#include <asio.hpp>
#include <memory>

static asio::io_context *context;
static struct echo *work;

class Session : public std::enable_shared_from_this<Session> {
  public:
    explicit Session(asio::ip::tcp::socket socket) : socket_(std::move(socket)) {}

    void receive()
    {
        auto self = shared_from_this();

        socket_.async_read_some(asio::buffer(message_), [self](std::error_code error, std::size_t size) {
            if (!error)
                self->send_back(size);
            else if (echo_over(work) == ECHO_FINISHED)
                context->stop();
        });
    }

  private:
    void send_back(std::size_t size)
    {
        auto self = shared_from_this();

        asio::async_write(socket_, asio::buffer(message_, size), [self](std::error_code error, std::size_t sent) {
            echo_count(work, error ? -1 : static_cast<ssize_t>(sent));
            self->receive();
        });
    }

    asio::ip::tcp::socket socket_;
    char message_[ECHO_SIZE_MAX];
};

static void accept_next(asio::ip::tcp::acceptor &acceptor)
{
    acceptor.async_accept([&acceptor](std::error_code error, asio::ip::tcp::socket socket) {
        if (error)
            bench_die("accept");
        echo_set_up(work, socket.native_handle());
        std::make_shared<Session>(std::move(socket))->receive();
        accept_next(acceptor);
    });
}

static void echo_run(struct echo *echo)
{
    asio::ip::tcp::acceptor acceptor(*context, asio::ip::tcp::v4(), dup(echo->listener));

    work = echo;
    accept_next(acceptor);
    context->run();
}

static void open_context()
{
    context = new asio::io_context(1);
}

static const char *version()
{
    static char text[32];

    std::snprintf(text, sizeof text, "%d.%d.%d", ASIO_VERSION / 100000, ASIO_VERSION / 100 % 1000, ASIO_VERSION % 100);
    return text;
}

static struct peer make()
{
    struct peer p = {};

    p.version = version;
    p.open = open_context;
    p.echo_run = echo_run;
    return p;
}

extern "C" const struct peer peer;
const struct peer peer = make();
