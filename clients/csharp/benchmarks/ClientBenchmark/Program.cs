// A contender of `python -m benchmarks.csharp`, which starts it with the server's address and tells it on standard input,
// a JSON object a line, whom to time. It answers each with a line.
using System.Text.Json;
using ClientBenchmark;

await using var contenders = new Contenders(args[0]);
while (await Console.In.ReadLineAsync() is { } line)
{
    var task = JsonSerializer.Deserialize<Turn>(line, JsonSerializerOptions.Web)!;
    var result = task.Contender is "reconnect" ? await contenders.ReconnectAsync() : await contenders.RunAsync(task);
    Console.WriteLine(JsonSerializer.Serialize(result, JsonSerializerOptions.Web));
}
