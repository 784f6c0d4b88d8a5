using System.Diagnostics;
using Accelserve.Client;
using Google.Protobuf;
using Grpc.Net.Client;
using Tensorflow;
using Tensorflow.Serving;

namespace ClientBenchmark;

/// <summary>Who is to call, with how many bytes, how often, from how many callers at once.</summary>
internal sealed record Turn(string Contender, int Bytes, int Calls, int Callers = 1);

/// <summary>Milliseconds of each call; the seconds of all; bytes allocated by the process, a call.</summary>
internal sealed record Times(IReadOnlyList<double> Ms, double Seconds, double AllocatedBytes);

/// <summary>The client, and the generated stub with the same request on a channel of its own. Each connects at its first
/// call.</summary>
internal sealed class Contenders : IAsyncDisposable
{
    private readonly Dictionary<int, byte[]> _images = [];
    private readonly PredictionClient _client;
    private readonly GrpcChannel _channel;
    private readonly PredictionService.PredictionServiceClient _stub;

    public Contenders(string address)
    {
        _client = new PredictionClient(new PredictionClientOptions { Address = address });
        _channel = GrpcChannel.ForAddress(
            $"http://{address}", new GrpcChannelOptions { MaxReceiveMessageSize = 512 << 20, MaxSendMessageSize = 512 << 20 });
        _stub = new PredictionService.PredictionServiceClient(_channel);
    }

    public async Task<Times> RunAsync(Turn turn)
    {
        var image = Image(turn.Bytes);
        Func<Task> call = turn.Contender switch
        {
            "client" => () => _client.ScoreImageAsync(image),
            "stub" => () => StubAsync(image),
            _ => throw new ArgumentException($"No contender '{turn.Contender}'.", nameof(turn)),
        };
        await call();
        var each = turn.Calls / turn.Callers;
        var ms = new double[turn.Callers * each];
        var before = GC.GetTotalAllocatedBytes(precise: true);
        var begin = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, turn.Callers).Select(caller => CallAsync(call, ms.AsMemory(caller * each, each))));
        var seconds = Stopwatch.GetElapsedTime(begin).TotalSeconds;
        var allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
        return new Times(ms, seconds, allocated / (double)ms.Length);
    }

    /// <summary>How long until a server that was away answers.</summary>
    public async Task<Times> ReconnectAsync()
    {
        var begin = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                await _client.ScoreImageAsync(new byte[1], new CallSettings { Timeout = TimeSpan.FromSeconds(1) });
                var elapsed = Stopwatch.GetElapsedTime(begin);
                return new Times([elapsed.TotalMilliseconds], elapsed.TotalSeconds, 0);
            }
            catch (CallException)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(50));
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        _channel.Dispose();
    }

    /// <summary>The same memory for whoever sends it.</summary>
    private byte[] Image(int bytes)
    {
        if (!_images.TryGetValue(bytes, out var image))
        {
            image = new byte[bytes];
            new Random(bytes).NextBytes(image);
            _images.Add(bytes, image);
        }

        return image;
    }

    private static async Task CallAsync(Func<Task> call, Memory<double> ms)
    {
        for (var i = 0; i < ms.Length; i++)
        {
            var begin = Stopwatch.GetTimestamp();
            await call();
            ms.Span[i] = Stopwatch.GetElapsedTime(begin).TotalMilliseconds;
        }
    }

    /// <summary>What a program without the client would write for the same bytes on the wire: the picture wrapped, not
    /// copied, and the client's default deadline of 30 s, for which gRPC runs a timer. No retries, and nobody reads the
    /// answer's tensors.</summary>
    private async Task StubAsync(byte[] image)
    {
        var tensor = new TensorProto { Dtype = DataType.DtString, TensorShape = new TensorShapeProto() };
        tensor.TensorShape.Dim.Add(new TensorShapeProto.Types.Dim { Size = 1 });
        tensor.StringVal.Add(UnsafeByteOperations.UnsafeWrap(image));
        var request = new PredictRequest { ModelSpec = new ModelSpec() };
        request.Inputs.Add("images", tensor);
        await _stub.PredictAsync(request, deadline: DateTime.UtcNow.AddSeconds(30));
    }
}
