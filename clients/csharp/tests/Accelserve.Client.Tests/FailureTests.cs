using Accelserve.Client.Tests.Peers;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;

namespace Accelserve.Client.Tests;

/// <summary>Errors, retries and deadlines against a real server; the Python client's <c>test_failures.py</c>.</summary>
public sealed class FailureTests
{
    private static readonly byte[] _image = [1, 2, 3];

    [Theory]
    [InlineData(StatusCode.InvalidArgument, typeof(InvalidRequestException))]
    [InlineData(StatusCode.FailedPrecondition, typeof(InvalidRequestException))]
    [InlineData(StatusCode.OutOfRange, typeof(InvalidRequestException))]
    [InlineData(StatusCode.AlreadyExists, typeof(InvalidRequestException))]
    [InlineData(StatusCode.NotFound, typeof(ModelNotFoundException))]
    [InlineData(StatusCode.Unauthenticated, typeof(AccessDeniedException))]
    [InlineData(StatusCode.PermissionDenied, typeof(AccessDeniedException))]
    [InlineData(StatusCode.ResourceExhausted, typeof(OverloadedException))]
    [InlineData(StatusCode.DeadlineExceeded, typeof(DeadlineException))]
    [InlineData(StatusCode.Internal, typeof(ServerException))]
    [InlineData(StatusCode.Unknown, typeof(ServerException))]
    [InlineData(StatusCode.DataLoss, typeof(ServerException))]
    [InlineData(StatusCode.Unimplemented, typeof(ServerException))]
    [InlineData(StatusCode.Aborted, typeof(ServerException))]
    public async Task What_another_attempt_cannot_cure_is_thrown_at_once(StatusCode code, System.Type type)
    {
        await using var peer = await Peer.StartAsync();
        peer.Service.Predict = Answers.Failing(1, code);
        await using var client = Clients.Of(peer.Address);

        var exception = await Assert.ThrowsAnyAsync<CallException>(() => client.ScoreImageAsync(_image));

        Assert.IsType(type, exception);
        Assert.Equal((code, "The reason.", 1), (exception.StatusCode, exception.Details, exception.Attempts));
        Assert.Null(exception.RetryAfter);
        Assert.Equal("/tensorflow.serving.PredictionService/Predict", exception.Method);
        var name = Python(code);
        Assert.Equal($"Predict at {peer.Target} failed: {name}: The reason.", exception.Message);
        Assert.IsType<RpcException>(exception.InnerException);
        Assert.Single(peer.Service.Requests);
    }

    [Theory]
    [InlineData(StatusCode.Unavailable)]
    [InlineData(StatusCode.Cancelled)] // by the server, while it closes
    public async Task Unavailability_is_retried(StatusCode code)
    {
        await using var peer = await Peer.StartAsync();
        peer.Service.Predict = Answers.Failing(3, code);
        await using var client = Clients.Of(peer.Address);
        Assert.Equal(new[] { 3L }, (await client.ScoreImageAsync(_image)).Output.GetMemory<long>().ToArray());
        Assert.Equal(4, peer.Service.Requests.Count);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Overload_is_retried_when_the_server_says_when(bool byPushback)
    {
        await using var peer = await Peer.StartAsync();
        peer.Service.Predict = Answers.Failing(
            2,
            StatusCode.ResourceExhausted,
            byPushback ? ("grpc-retry-pushback-ms", "1") : ("grpc-status-details-bin", RetryIn(TimeSpan.FromMilliseconds(1))));
        await using var client = Clients.Of(peer.Address);
        await client.ScoreImageAsync(_image);
        Assert.Equal(3, peer.Service.Requests.Count);
    }

    [Fact]
    public async Task A_pushback_does_not_make_a_wrong_request_right()
    {
        await using var peer = await Peer.StartAsync();
        peer.Service.Predict = Answers.Failing(1, StatusCode.InvalidArgument, ("grpc-retry-pushback-ms", "1"));
        await using var client = Clients.Of(peer.Address);
        await Assert.ThrowsAsync<InvalidRequestException>(() => client.ScoreImageAsync(_image));
        Assert.Single(peer.Service.Requests);
    }

    [Fact]
    public async Task Retries_come_to_an_end()
    {
        await using var peer = await Peer.StartAsync();
        peer.Service.Predict = Answers.Failing(100, StatusCode.Unavailable);
        await using var client = Clients.Of(peer.Address);
        var exception = await Assert.ThrowsAsync<UnavailableException>(() => client.ScoreImageAsync(_image));
        Assert.Equal(4, exception.Attempts);
        Assert.Equal(4, peer.Service.Requests.Count);
        Assert.EndsWith("failed after 4 attempts: UNAVAILABLE: The reason.", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_large_request_is_retried_too()
    {
        await using var peer = await Peer.StartAsync();
        peer.Service.Predict = Answers.Failing(1, StatusCode.Unavailable);
        await using var client = Clients.Of(peer.Address);
        var image = new byte[5 << 20];
        Assert.Equal(new[] { (long)image.Length }, (await client.ScoreImageAsync(image)).Output.GetMemory<long>().ToArray());
    }

    [Theory]
    [InlineData("-1")]
    [InlineData("soon")]
    public async Task A_server_may_forbid_retries(string pushback)
    {
        await using var peer = await Peer.StartAsync();
        peer.Service.Predict = Answers.Failing(100, StatusCode.Unavailable, ("grpc-retry-pushback-ms", pushback));
        await using var client = Clients.Of(peer.Address);
        await Assert.ThrowsAsync<UnavailableException>(() => client.ScoreImageAsync(_image));
        Assert.Single(peer.Service.Requests);
    }

    [Fact]
    public async Task A_wait_beyond_the_deadline_is_not_begun()
    {
        await using var peer = await Peer.StartAsync();
        peer.Service.Predict = Answers.Failing(
            100, StatusCode.ResourceExhausted, ("grpc-status-details-bin", RetryIn(TimeSpan.FromHours(1))));
        await using var client = Clients.Of(peer.Address);
        var exception = await Assert.ThrowsAsync<OverloadedException>(() => client.ScoreImageAsync(_image));
        Assert.Equal(TimeSpan.FromHours(1), exception.RetryAfter);
        Assert.Single(peer.Service.Requests);
    }

    [Fact]
    public async Task A_server_without_an_answer_in_time_is_a_deadline_error()
    {
        await using var peer = await Peer.StartAsync();
        var cancelled = Wait.Gate();
        peer.Service.Predict = async (_, context) =>
        {
            using var end = context.CancellationToken.Register(cancelled.SetResult);
            await cancelled.Task;
            return new Tensorflow.Serving.PredictResponse();
        };
        await using var client = Clients.Of(peer.Address);
        var exception = await Assert.ThrowsAsync<DeadlineException>(
            () => client.ScoreImageAsync(_image, new CallSettings { Timeout = TimeSpan.FromMilliseconds(300) }));
        Assert.Equal(1, exception.Attempts);
        await cancelled.Task.WaitAsync(Wait.Patience);
    }

    [Fact]
    public async Task The_deadline_reaches_the_server()
    {
        await using var peer = await Peer.StartAsync();
        var deadlines = new List<TimeSpan>();
        peer.Service.Predict = (request, context) =>
        {
            deadlines.Add(context.Deadline - DateTime.UtcNow);
            return Task.FromResult(Answers.Lengths(request));
        };
        await using var client = Clients.Of(peer.Address, static options => options.Timeout = TimeSpan.FromSeconds(1000));
        await client.ScoreImageAsync(_image);
        await client.ScoreImageAsync(_image, new CallSettings { Timeout = TimeSpan.FromSeconds(100) });
        await client.ScoreImageAsync(
            _image, new CallSettings { Timeout = System.Threading.Timeout.InfiniteTimeSpan });
        Assert.InRange(deadlines[0].TotalSeconds, 200, 1001);
        Assert.InRange(deadlines[1].TotalSeconds, 20, 101);
        Assert.True(deadlines[2] > TimeSpan.FromDays(365));
    }

    [Fact]
    public async Task A_timeout_that_is_none_is_refused()
    {
        await using var client = Clients.Of("localhost:1");
        await Assert.ThrowsAsync<ArgumentException>(
            () => client.ScoreImageAsync(_image, new CallSettings { Timeout = TimeSpan.FromSeconds(-3) }));
    }

    [Fact]
    public async Task A_caller_who_cancels_gets_a_cancellation_and_so_does_the_server()
    {
        await using var peer = await Peer.StartAsync();
        var (arrived, cancelled) = (Wait.Gate(), Wait.Gate());
        peer.Service.Predict = async (request, context) =>
        {
            arrived.SetResult();
            using var end = context.CancellationToken.Register(cancelled.SetResult);
            await cancelled.Task;
            return Answers.Lengths(request);
        };
        await using var client = Clients.Of(peer.Address);
        using var source = new CancellationTokenSource();
        var call = client.ScoreImageAsync(_image, cancellationToken: source.Token);
        await arrived.Task.WaitAsync(Wait.Patience);
        await source.CancelAsync();
        var exception = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        Assert.Equal(source.Token, exception.CancellationToken);
        await cancelled.Task.WaitAsync(Wait.Patience);
    }

    [Fact]
    public async Task A_caller_who_cancels_ends_a_wait_between_attempts()
    {
        await using var peer = await Peer.StartAsync();
        peer.Service.Predict = Answers.Failing(100, StatusCode.Unavailable, ("grpc-retry-pushback-ms", "3000000"));
        await using var client = Clients.Of(peer.Address, static options => options.Timeout = TimeSpan.FromHours(10));
        using var source = new CancellationTokenSource();
        var call = client.ScoreImageAsync(_image, cancellationToken: source.Token);
        await Wait.UntilAsync(() => !peer.Service.Requests.IsEmpty);
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call.WaitAsync(Wait.Patience));
    }

    [Fact]
    public async Task Messages_beyond_the_limits_are_refused_once()
    {
        await using var peer = await Peer.StartAsync();
        await using var small = Clients.Of(peer.Address, static options => options.MaxRequestBytes = 1000);
        var request = await Assert.ThrowsAsync<MessageTooLargeException>(() => small.ScoreImageAsync(new byte[2000]));
        Assert.Equal(1, request.Attempts);
        Assert.Empty(peer.Service.Requests);

        await using var deaf = Clients.Of(peer.Address, static options => options.MaxResponseBytes = 10);
        var response = await Assert.ThrowsAsync<MessageTooLargeException>(() => deaf.ScoreImageAsync(_image));
        Assert.Equal(1, response.Attempts);
    }

    [Fact]
    public async Task A_request_beyond_the_servers_limit_says_so()
    {
        await using var peer = await Peer.StartAsync(new PeerSettings { MaxReceiveBytes = 1000 });
        await using var client = Clients.Of(peer.Address);
        var exception = await Assert.ThrowsAsync<MessageTooLargeException>(() => client.ScoreImageAsync(new byte[2000]));
        Assert.Contains("size", exception.Details, StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("Received message larger than max (41943040 vs. 4194304)")] // gRPC's C core: Python, C++
    [InlineData("SERVER: Received message larger than max (2000 vs. 1000)")]
    [InlineData("grpc: received message larger than max (2000 vs. 1000)")] // Go
    [InlineData("gRPC message exceeds maximum size 4194304: 5000000")] // Java
    public async Task Every_implementation_s_words_for_a_size_are_known(string words)
    {
        await using var peer = await Peer.StartAsync();
        peer.Service.Predict = (_, _) => throw new RpcException(new Grpc.Core.Status(StatusCode.ResourceExhausted, words));
        await using var client = Clients.Of(peer.Address);
        var exception = await Assert.ThrowsAsync<MessageTooLargeException>(() => client.ScoreImageAsync(_image));
        Assert.Equal((words, 1), (exception.Details, exception.Attempts));
    }

    [Fact]
    public async Task A_batch_of_64_photographs_fits()
    {
        await using var peer = await Peer.StartAsync();
        await using var client = Clients.Of(peer.Address);
        ReadOnlyMemory<byte> photograph = new byte[2 << 20];
        var prediction = await client.ScoreImagesAsync(Enumerable.Repeat(photograph, 64));
        Assert.Equal([64L], prediction.Output.Shape);
        Assert.All(prediction.Output.GetMemory<long>().ToArray(), static length => Assert.Equal(2 << 20, length));
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("deflate")]
    public async Task Compressed_answers_are_read(string algorithm)
    {
        await using var peer = await Peer.StartAsync(new PeerSettings { ResponseCompression = algorithm });
        peer.Service.Predict = static (_, _) =>
        {
            var zeros = new Tensorflow.TensorProto { Dtype = Tensorflow.DataType.DtFloat, TensorShape = new() { Dim = { new Tensorflow.TensorShapeProto.Types.Dim { Size = 10_000 } } } };
            zeros.FloatVal.Add(new float[10_000]);
            return Task.FromResult(new Tensorflow.Serving.PredictResponse { Outputs = { ["zeros"] = zeros } });
        };
        await using var client = Clients.Of(peer.Address);
        Assert.Equal(10_000, (await client.ScoreImageAsync(_image)).Output.Count);
    }

    [Fact]
    public async Task Requests_are_compressed_on_demand()
    {
        string? encoding = null;
        await using var peer = await Peer.StartAsync(new PeerSettings
        {
            Before = (context, next) =>
            {
                encoding = context.Request.Headers["grpc-encoding"];
                return next(context);
            },
        });
        await using var client = Clients.Of(peer.Address, static options => options.Compression = RequestCompression.Gzip);
        Assert.Equal(new[] { 100_000L }, (await client.ScoreImageAsync(new byte[100_000])).Output.GetMemory<long>().ToArray());
        Assert.Equal("gzip", encoding);
        Assert.DoesNotContain(peer.Service.Headers.Single(), static entry => entry.Key.StartsWith("grpc-internal", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_server_that_comes_up_late_is_waited_for()
    {
        var peer = await Peer.StartAsync();
        var port = peer.Port;
        await peer.DisposeAsync();
        await using var client = Clients.Of($"127.0.0.1:{port}", static options => options.Retry = Clients.Patient);
        var waiting = client.ScoreImageAsync(_image);
        await Assert.ThrowsAsync<UnavailableException>(
            () => new PredictionClient(new PredictionClientOptions { Address = $"127.0.0.1:{port}", Retry = new RetryPolicy { MaxAttempts = 1 } })
                .ScoreImageAsync(_image));
        await using var late = await Peer.StartAsync(new PeerSettings { Port = port });
        await waiting.WaitAsync(Wait.Patience);
    }

    [Fact]
    public async Task A_server_that_restarts_is_found_again()
    {
        var service = new PeerService();
        var peer = await Peer.StartAsync(service: service);
        await using var client = Clients.Of(peer.Address, static options => options.Retry = Clients.Patient);
        await client.ScoreImageAsync(_image);
        await peer.DisposeAsync();
        await using var again = await Peer.StartAsync(new PeerSettings { Port = peer.Port }, service);
        await client.ScoreImageAsync(_image);
        Assert.Equal(2, service.Requests.Count);
    }

    [Fact]
    public async Task Disposing_ends_calls_under_way()
    {
        await using var peer = await Peer.StartAsync();
        var (arrived, released) = (Wait.Gate(), Wait.Gate());
        peer.Service.Predict = async (request, _) =>
        {
            arrived.SetResult();
            await released.Task;
            return Answers.Lengths(request);
        };
        var client = Clients.Of(peer.Address);
        var call = client.ScoreImageAsync(_image);
        await arrived.Task.WaitAsync(Wait.Patience);
        await client.DisposeAsync();
        var exception = await Assert.ThrowsAsync<ObjectDisposedException>(() => call.WaitAsync(Wait.Patience));
        Assert.Contains(peer.Target, exception.Message, StringComparison.Ordinal);
        released.SetResult();
    }

    [Fact]
    public async Task Disposing_ends_a_wait_between_attempts()
    {
        await using var peer = await Peer.StartAsync();
        peer.Service.Predict = Answers.Failing(100, StatusCode.Unavailable, ("grpc-retry-pushback-ms", "3000000"));
        var client = Clients.Of(peer.Address, static options => options.Timeout = TimeSpan.FromHours(10));
        var call = client.ScoreImageAsync(_image);
        await Wait.UntilAsync(() => !peer.Service.Requests.IsEmpty);
        client.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => call.WaitAsync(Wait.Patience));
    }

    [Fact]
    public async Task A_disposed_client_stays_disposed()
    {
        var client = Clients.Of("localhost:1");
        client.Dispose();
        await client.DisposeAsync();
        client.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => client.ScoreImageAsync(_image));
    }

    [Fact]
    public async Task One_client_serves_many_callers()
    {
        await using var peer = await Peer.StartAsync();
        await using var client = Clients.Of(peer.Address);
        var calls = Enumerable.Range(1, 300).Select(async length =>
            (await client.ScoreImageAsync(new byte[length])).Output.GetMemory<long>().Span[0] == length);
        Assert.All(await Task.WhenAll(calls), Assert.True);
    }

    private static byte[] RetryIn(TimeSpan time)
    {
        var status = new Google.Rpc.Status { Code = (int)StatusCode.ResourceExhausted, Message = "The reason." };
        status.Details.Add(Any.Pack(new RetryInfo { RetryDelay = Duration.FromTimeSpan(time) }));
        return status.ToByteArray();
    }

    /// <summary>The name that gRPC has for a code in every other language.</summary>
    private static string Python(StatusCode code) =>
        string.Concat(code.ToString().Select((letter, i) => i > 0 && char.IsUpper(letter) ? "_" + letter : letter.ToString()))
            .ToUpperInvariant();
}
