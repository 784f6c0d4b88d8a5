using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;

namespace Accelserve.Interop.Tests;

/// <summary>A running <c>accelserve serve</c>.</summary>
internal sealed partial class Server : IAsyncDisposable
{
    private readonly Process _process;
    private readonly Task _draining;
    private readonly Socket _held;

    private Server(Process process, int port, Socket held, Task draining)
    {
        (_process, Port, _held, _draining) = (process, port, held, draining);
    }

    public int Port { get; }

    public int HttpPort => PortOf(_held);

    public string Address => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{Port}");

    /// <summary>Starts one and waits until it says that its ports are open.</summary>
    /// <param name="port">0 for any that is free.</param>
    /// <param name="flags">Of <c>accelserve serve</c>.</param>
    public static async Task<Server> StartAsync(int port, params string[] flags)
    {
        var held = HoldPort();
        string[] own =
        [
            $"--port={port}", $"--rest_api_port={PortOf(held)}", $"--cache_dir={World.Cache}", "--grpc_address=127.0.0.1",
        ];
        var process = World.StartPython(["-m", "accelserve.server.cli", "serve", .. own, .. flags]);
        var log = new List<string>();
        while (await process.StandardError.ReadLineAsync() is { } line)
        {
            log.Add(line);
            if (Listening().Match(line) is { Success: true } match)
            {
                var found = int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture);
                return new Server(process, found, held, Task.WhenAll(process.StandardError.ReadToEndAsync(), process.StandardOutput.ReadToEndAsync()));
            }
        }

        held.Dispose();
        throw new InvalidOperationException($"The server ended before it was ready:\n{string.Join('\n', log)}");
    }

    /// <summary>A port that nobody else gets by chance: the server, which sets SO_REUSEADDR as well, may listen on it.</summary>
    private static Socket HoldPort()
    {
        var held = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        held.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        held.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return held;
    }

    private static int PortOf(Socket held) => ((IPEndPoint)held.LocalEndPoint!).Port;

    /// <summary>As if the machine had lost power.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    /// <summary>SIGTERM: it answers what it has and ends.</summary>
    public async Task<int> DrainAsync()
    {
        using var kill = Process.Start("kill", ["-TERM", _process.Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync();
        await _process.WaitForExitAsync();
        await _draining;
        return _process.ExitCode;
    }

    /// <summary>A sample of the Prometheus page whose line begins so; 0 if there is none.</summary>
    public async Task<double> MetricAsync(string beginning)
    {
        using var http = new HttpClient();
        var page = await http.GetStringAsync(new Uri($"http://127.0.0.1:{HttpPort}/monitoring/prometheus/metrics"));
        return page.Split('\n')
            .Where(line => line.StartsWith(beginning, StringComparison.Ordinal))
            .Sum(line => double.Parse(line.AsSpan(line.LastIndexOf(' ')), CultureInfo.InvariantCulture));
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            await KillAsync();
        }

        _process.Dispose();
        _held.Dispose();
    }

    [GeneratedRegex(@"Running gRPC ModelServer at \S+:(\d+)")]
    private static partial Regex Listening();
}
