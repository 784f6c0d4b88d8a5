// A contender of `python -m benchmarks.csharp`, which starts it with the server's address and tells it on standard input,
// a JSON object a line, whom to time. It answers each with a line.
using System.Text.Json;
using ClientBenchmark;

var contenders = new Contenders(args[0]);
while (await Console.In.ReadLineAsync() is { } line)
{
    var task = JsonSerializer.Deserialize<Turn>(line, JsonSerializerOptions.Web)!;
    switch (task.Contender)
    {
        case "connect":
            await contenders.DisposeAsync();
            contenders = new Contenders(args[0]);
            Answer(new Times([], 0, 0));
            break;
        case "reconnect":
            Answer(await contenders.ReconnectAsync());
            break;
        default:
            Answer(await contenders.RunAsync(task));
            break;
    }
}

await contenders.DisposeAsync();

static void Answer(Times times) => Console.WriteLine(JsonSerializer.Serialize(times, JsonSerializerOptions.Web));
