#if NET
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;

namespace Accelserve.Client;

/// <summary>Opens connections to one server; resolves its name anew each time.</summary>
internal sealed class Connector(ServerAddress address, string? serverName, TimeSpan timeout)
{
    /// <summary>Seconds after which a peer that answers nothing is given up: it was switched off, or a cable pulled.</summary>
    private const int DeadPeerSeconds = 20;

    private const int TcpLevel = 6;
    private const int TcpUserTimeout = 18;

    private readonly string _uriHost = address.UriFor(serverName).IdnHost;

    /// <summary>A stream to the server, or to the proxy that the handler asks for.</summary>
    /// <exception cref="SocketException">Nothing could be reached, or not in time.</exception>
    [SuppressMessage("Correctness", "IDISP004", Justification = "The stream owns the socket.")]
    public async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(timeout);
        try
        {
            return new NetworkStream(
                address.UnixPath is { } path
                    ? await ConnectAsync(new UnixDomainSocketEndPoint(path), limit.Token).ConfigureAwait(false)
                    : await ConnectTcpAsync(Place(context.DnsEndPoint), limit.Token).ConfigureAwait(false),
                ownsSocket: true);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new SocketException((int)SocketError.TimedOut);
        }
    }

    /// <summary>The handler asks for the name in the certificate, or for a proxy.</summary>
    private DnsEndPoint Place(DnsEndPoint asked) =>
        asked.Port == address.Port && asked.Host.Trim('[', ']').Equals(_uriHost.Trim('[', ']'), StringComparison.OrdinalIgnoreCase)
            ? new DnsEndPoint(address.Host, address.Port)
            : asked;

    private async Task<Socket> ConnectTcpAsync(DnsEndPoint place, CancellationToken cancellationToken)
    {
        var addresses = await Dns.GetHostAddressesAsync(place.Host, cancellationToken).ConfigureAwait(false);
        for (var i = 0; ; i++)
        {
            // Each of several has its share of the time, so that one which swallows packets does not hide the others.
            using var share = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            share.CancelAfter(timeout / addresses.Length);
            try
            {
                return await ConnectAsync(new IPEndPoint(addresses[i], place.Port), share.Token).ConfigureAwait(false);
            }
            catch (Exception exception) when (
                i + 1 < addresses.Length
                && !cancellationToken.IsCancellationRequested
                && exception is SocketException or OperationCanceledException)
            {
                // The next one may answer.
            }
        }
    }

    private static async Task<Socket> ConnectAsync(EndPoint place, CancellationToken cancellationToken)
    {
        var isTcp = place is IPEndPoint;
        var socket = new Socket(place.AddressFamily, SocketType.Stream, isTcp ? ProtocolType.Tcp : ProtocolType.Unspecified);
        try
        {
            if (isTcp)
            {
                Configure(socket);
            }

            await socket.ConnectAsync(place, cancellationToken).ConfigureAwait(false);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Finds dead peers below HTTP/2, whose pings servers count and punish.</summary>
    private static void Configure(Socket socket)
    {
        socket.NoDelay = true;
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, DeadPeerSeconds / 2);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, DeadPeerSeconds / 4);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 2);
        if (OperatingSystem.IsLinux())
        {
            // Keep-alive is silent while data are unacknowledged; this option is not.
            socket.SetRawSocketOption(TcpLevel, TcpUserTimeout, BitConverter.GetBytes(DeadPeerSeconds * 1000));
        }
    }
}
#endif
