using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Accelserve.Client.Packages;

/// <summary>One program of all blocks of C#: each is a namespace with a method, as if it were a <c>Program.cs</c>. It knows
/// <c>args</c>, and a <c>client</c> unless it makes its own.</summary>
internal static partial class PageProgram
{
    private const string Separator = "\u001e";

    public const string Main = """
        using System.Globalization;
        using System.Net;

        namespace Pages;

        public static class Frame
        {
            public static string[] args = ["--urls", "http://127.0.0.1:0"];

            public static async Task VisitAsync(WebApplication app)
            {
                await app.StartAsync();
                using var http = new HttpClient { BaseAddress = new Uri(app.Urls.First()) };
                Check("Healthy", await http.GetStringAsync("/healthz"));
                using var photo = new ByteArrayContent(await File.ReadAllBytesAsync("photo.jpg"));
                using var best = await http.PostAsync("/best", photo);
                Check("class 0", await best.Content.ReadAsStringAsync());
                await app.StopAsync();
            }

            private static void Check(string expected, string found)
            {
                if (expected != found)
                {
                    throw new InvalidOperationException($"Expected {expected}, got {found}.");
                }
            }
        }
        """;

    /// <summary>The source file of a block; the compiler's messages name the page's lines.</summary>
    public static string SourceOf(Block block, int index)
    {
        var lines = block.Code.Split('\n');
        var types = Array.FindIndex(lines, static line => Declaration().IsMatch(line));
        var source = new StringBuilder();
        foreach (var line in lines.Where(static line => Using().IsMatch(line)).Append("using Accelserve.Client;").Distinct(StringComparer.Ordinal))
        {
            source.AppendLine(line);
        }

        source.AppendLine(CultureInfo.InvariantCulture, $"using static Pages.Frame;\nnamespace Pages.Block{index} {{");
        source.AppendLine("public static class Block { public static async Task RunAsync(PredictionClient shared) { Of.client = shared; await Of.RunAsync(); } }");
        source.AppendLine("internal static class Of { public static PredictionClient client = null!; public static async Task RunAsync() {");
        Append(source, block, lines, 0, types < 0 ? lines.Length : types);
        source.AppendLine("await Task.CompletedTask; } }");
        Append(source, block, lines, types < 0 ? lines.Length : types, lines.Length);
        source.AppendLine("}");
        return source.ToString();
    }

    /// <summary>The entry point: every block in turn, with a mark before each one's output.</summary>
    public static string EntryFor(int blocks) => $$"""
        await using var client = new Accelserve.Client.PredictionClient(args[0]);
        {{string.Join("\n", Enumerable.Range(0, blocks).Select(static i => $"Console.Write(\"\\u001e\"); await Pages.Block{i}.Block.RunAsync(client);"))}}
        """;

    /// <summary>What each block printed.</summary>
    public static string[] OutputsIn(string printed) => printed.Split(Separator)[1..];

    private static void Append(StringBuilder source, Block block, string[] lines, int start, int end)
    {
        source.AppendLine(CultureInfo.InvariantCulture, $"#line {block.Line + start} \"{block.Page}\"");
        foreach (var line in lines[start..end])
        {
            source.AppendLine(Using().IsMatch(line) ? "" : line.Replace("await app.RunAsync();", "await VisitAsync(app);", StringComparison.Ordinal));
        }

        source.AppendLine("#line default");
    }

    [GeneratedRegex(@"^using [\w.]+;$")]
    private static partial Regex Using();

    [GeneratedRegex(@"^public ")]
    private static partial Regex Declaration();
}
