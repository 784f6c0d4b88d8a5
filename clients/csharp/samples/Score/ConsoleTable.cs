using System.Globalization;
using System.Text;

namespace Score;

/// <summary>A table as <c>accelserve predict</c> prints it: as wide as it needs, no wider than the terminal; the widest
/// columns give way, and what does not fit is folded, never cut.</summary>
internal static class ConsoleTable
{
    public const int PipedWidth = 80;

    private const int Gap = 3;
    private static readonly string[] _headings = ["picture", "output", "result", "score", "ms"];
    private static readonly bool[] _isRight = [false, false, false, true, true];

    /// <summary>Columns of the terminal; COLUMNS says otherwise, and without a terminal it is 80.</summary>
    public static int Width()
    {
        if (int.TryParse(Environment.GetEnvironmentVariable("COLUMNS"), NumberStyles.None, CultureInfo.InvariantCulture, out var columns))
        {
            return columns;
        }

        return Console.IsOutputRedirected ? PipedWidth : Console.WindowWidth;
    }

    public static string Render(IEnumerable<string[]> rows, int width)
    {
        var cells = rows.ToList();
        var widths = Widths(cells, width);
        var all = widths.Sum() + (Gap * (widths.Length - 1)) + 2;
        var text = new StringBuilder();
        text.Append(' ', all).Append('\n');
        AppendRow(text, _headings, widths);
        text.Append(' ').Append('─', all - 2).Append(" \n");
        foreach (var row in cells)
        {
            AppendRow(text, row, widths);
        }

        return text.Append(' ', all).Append('\n').ToString();
    }

    /// <summary>The widest columns are cut to the next widest, together, until all fit. A column counts with the blanks
    /// beside it: two, and one at either end of the table.</summary>
    private static int[] Widths(List<string[]> rows, int width)
    {
        var columns = _headings.Length;
        int BlanksOf(int column) => column == 0 || column == columns - 1 ? 1 : 2;
        var widths = Enumerable.Range(0, columns)
            .Select(i => rows.Select(row => row[i].Length).Append(_headings[i].Length).Max() + BlanksOf(i))
            .ToArray();
        var excess = widths.Sum() - (width - columns - 1);
        while (excess > 0)
        {
            var widest = widths.Max();
            var next = widths.Where(each => each < widest).DefaultIfEmpty(0).Max();
            var cut = Enumerable.Range(0, columns).Where(i => widths[i] == widest).ToList();
            for (var i = 0; i < cut.Count; i++)
            {
                // What is left is shared by those that are left, so that nothing is lost to rounding.
                var share = Math.Min(widest - next, (int)Math.Round(excess / (double)(cut.Count - i)));
                widths[cut[i]] -= share;
                excess -= share;
            }

            if (next == 0)
            {
                break;
            }
        }

        return [.. widths.Select((each, i) => Math.Max(1, each - BlanksOf(i)))];
    }

    private static void AppendRow(StringBuilder text, string[] row, int[] widths)
    {
        var folded = row.Select((cell, i) => Fold(cell, widths[i])).ToList();
        for (var line = 0; line < folded.Max(static each => each.Count); line++)
        {
            text.Append(' ');
            for (var i = 0; i < row.Length; i++)
            {
                var part = line < folded[i].Count ? folded[i][line] : "";
                text.Append(' ', i > 0 ? Gap : 0).Append(_isRight[i] ? part.PadLeft(widths[i]) : part.PadRight(widths[i]));
            }

            text.Append(" \n");
        }
    }

    /// <summary>Lines of at most <paramref name="width"/> characters, broken between words where one fits.</summary>
    private static List<string> Fold(string cell, int width)
    {
        var lines = new List<string>();
        var line = "";
        foreach (var word in cell.Split(' '))
        {
            var joined = line.Length == 0 ? word : $"{line} {word}";
            if (joined.Length <= width)
            {
                line = joined;
                continue;
            }

            if (line.Length > 0)
            {
                lines.Add(line);
            }

            line = word;
            while (line.Length > width)
            {
                lines.Add(line[..width]);
                line = line[width..];
            }
        }

        lines.Add(line);
        return lines;
    }
}
